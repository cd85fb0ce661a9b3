"""One module a figure, named as its file and its rule; `style` is shared by all of them."""
