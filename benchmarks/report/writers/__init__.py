"""The page model, and its writers: terminal, Markdown and HTML."""
