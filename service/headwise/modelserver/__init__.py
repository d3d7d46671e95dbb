"""The embedded model server: TensorFlow Serving's gRPC interface over SavedModels in one process.

Importing this package imports TensorFlow, so only `headwise.cli.model_server` does it, and only when it runs.
"""

import os
import sys


def _import_tensorflow_quietly() -> None:
    """Import TensorFlow without its start-up lines, which it writes past every log level.

    They come from C++ before its log is configured, so file descriptor 2 points elsewhere meanwhile; a
    failing import still raises.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        import tensorflow as tf  # noqa: PLC0415

        tf.get_logger().setLevel("ERROR")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


_import_tensorflow_quietly()
