"""MAP and posterior samples of a declared mixture or of a user's model."""
