"""What a message means: minimization, prompt, model call, validated answer."""
