print("treg")
