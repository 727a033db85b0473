"""Maps that were made elsewhere, by another library or by hand, read from files by the names of the images."""

from pathlib import Path, PurePosixPath
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn

from entries import Inapplicable, explains, refuse


@explains("elsewhere", signed=True, passes=(0, 0), needs=("image",))
class Stored:
    """Maps made elsewhere, one array (h, w) for each image, found by its name.

    `maps` is a folder with NAME.npy or NAME.npz, or one .npz file with an array for each NAME. The suffix of an image
    may be left out: the map of cat/1.jpg is cat/1.jpg.npy or cat/1.npy. Nothing can check that the maps are of the
    network and the classes that they are scored with. Metrics that make maps anew are undefined.
    """

    maps: str | None

    def __post_init__(self) -> None:
        if self.maps is not None and not (isinstance(self.maps, str) and Path(self.maps).expanduser().exists()):
            refuse(self, "maps", "a folder or an .npz file that is there")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, image: tuple[str, ...] = ()) -> Tensor:
        if self.maps is None or len(image) != len(x):
            raise Inapplicable("Stored needs maps made elsewhere and the images' names; give method.maps=FOLDER")
        return torch.stack([self.read(name, tuple(x.shape[2:])) for name in image]).to(x.device)

    def read(self, name: str, size: tuple[int, int]) -> Tensor:
        """Return the map (h, w) of an image; refuse none, another size, and values that are no finite numbers."""
        place, keys = Path(self.maps).expanduser(), [name, str(PurePosixPath(name).with_suffix(""))]
        if place.suffix == ".npz":
            found = arrays(place, *keys)
        else:
            paths = (place / f"{key}{suffix}" for key in keys for suffix in (".npy", ".npz"))
            found = next((arrays(path) for path in paths if path.is_file()), [])
        if not found:
            raise ValueError(f"Stored needs a map of every image; {place} has none of {name}")
        (values, *_) = found
        if values.shape != size or values.dtype.kind not in "fiub":
            given = f"that of {name} has shape {values.shape} and type {values.dtype}"
            raise ValueError(f"Stored needs maps of shape {size} and of real numbers; {given}")
        maps = torch.from_numpy(values.astype(np.float32))
        if not maps.isfinite().all():
            raise ValueError(f"Stored needs finite maps; that of {name} holds values that are not")
        return maps


def arrays(path: Path, *keys: str) -> list[np.ndarray]:
    """Return the array of a .npy file, or those of a .npz file under these keys, or all."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return [loaded]
        with loaded:
            return [loaded[key] for key in keys or loaded.files if key in loaded.files]
    except (OSError, ValueError, BadZipFile) as error:
        raise ValueError(f"Stored needs .npy and .npz files of numbers; {path} cannot be read as one") from error
