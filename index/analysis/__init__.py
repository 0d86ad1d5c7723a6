"""What the data of a folder are like, in numbers, and what follows from them."""
