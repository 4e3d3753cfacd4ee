"""What two nodes mean by class 2 when each makes its own list."""

# --8<-- [start:lists]
everywhere = ["down", "go", "left", "no"]
node1 = sorted(["down", "go", "left", "no"])
node2 = sorted(["down", "left", "no"])  # nobody said "go" here
print(node1[2], node2[2], everywhere[2])  # the third output, learned as two words
# --8<-- [end:lists]
