"""The README's picture: the demo's overlay, and the scene with its InterFields from three more sides.

    python benchmarks/demo_picture.py lexis-demo docs/images/demo.png
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lexis_core.body import load_body, pose
from lexis_core.draw import orbit, ramp
from lexis_core.mesh import Mesh
from lexis_core.reconstruction import SUFFIX, load
from lexis_core.results import save_picture

SIZE = 480


def main() -> None:
    demo, target = Path(sys.argv[1]), Path(sys.argv[2])
    result, model = load(demo / f"result{SUFFIX}"), load_body()
    meshes = (Mesh(pose(model, result.state.body).vertices, model.faces), result.object_mesh())
    turn = orbit(meshes, (ramp(result.field.body), ramp(result.field.object)), 8, SIZE)
    with Image.open(demo / "overlay.png") as picture:
        overlay = np.asarray(picture.convert("RGB").resize((SIZE, SIZE)))
    save_picture(np.concatenate([overlay, turn[0], turn[1], turn[3]], axis=1), target)


if __name__ == "__main__":
    main()
