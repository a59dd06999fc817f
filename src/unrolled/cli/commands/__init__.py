"""The commands of `unrolled`, a file each."""
