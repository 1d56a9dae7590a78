"""The learned interaction prior: LEXIS-Net, what it is trained on, and how. Needs the `learn` extra (torch)."""
