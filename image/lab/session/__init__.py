"""`appliance lab`: a booted image with everything around it, for somebody who watches, looks in and breaks things."""
