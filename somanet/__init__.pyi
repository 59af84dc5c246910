from somanet.api.analysis import analyze as analyze
from somanet.api.model import Model as Model
from somanet.api.model import Segmentation as Segmentation
from somanet.api.model import load_model as load_model
from somanet.api.results import Analysis as Analysis
from somanet.api.results import open_analysis as open_analysis
from somanet.api.tracks import Measurement as Measurement
from somanet.api.tracks import measure as measure
from somanet.api.tracks import read_tracks as read_tracks
from somanet.core.calibration import Calibration as Calibration
from somanet.core.errors import SomaNetError as SomaNetError

__version__: str
