"""The figures of the paper and of the field that stand beside one's own."""
