"""From a photo to what was seen in it: masks, landmarks, camera."""
