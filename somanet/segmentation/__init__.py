"""Images to somas: networks, the engines that compute them, inference, movies, and networks to hand on."""
