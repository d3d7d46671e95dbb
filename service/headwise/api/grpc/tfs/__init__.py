"""TensorFlow Serving's services: its own calls passed through, Classify and Regress by the head card."""
