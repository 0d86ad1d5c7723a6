"""What happens between two rebuilds, kept durably: records, what a store promises, and the engines that keep them."""
