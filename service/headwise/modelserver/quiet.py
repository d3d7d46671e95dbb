"""TensorFlow without its start-up lines, which it writes past every log level."""

import os
import sys
from typing import Any


def import_tensorflow() -> Any:
    """Import TensorFlow and return it; an import that fails raises as usual.

    The lines come from C++ before its log is configured, so file descriptor 2 points elsewhere meanwhile.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        import tensorflow as tf  # noqa: PLC0415
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
    tf.get_logger().setLevel("ERROR")
    return tf
