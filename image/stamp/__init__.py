"""`appliance stamp`: one image for each of many devices, which differ in nothing but their appliance.yaml."""
