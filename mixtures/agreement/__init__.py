"""EM, MAP and posterior of one model compared: the crosscheck and its certificate."""
