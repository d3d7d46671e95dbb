"""What a training script needs of headwise; may use TensorFlow, which the gateway never does."""
