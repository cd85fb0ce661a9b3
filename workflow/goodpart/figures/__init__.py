"""One module per figure, with the name of its file and rule. All figures use `style`."""
