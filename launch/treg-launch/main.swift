print("treg-launch")
