"""The steps of the build, one file each; `image.build` lists them."""
