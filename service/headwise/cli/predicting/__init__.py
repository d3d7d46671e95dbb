"""Files of rows for `headwise predict`, and files of answers."""
