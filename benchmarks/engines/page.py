"""The measurements as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.engines.image import SIDE_PX
from benchmarks.engines.timing import Row
from somanet.core.markdown import table

MOVIE_COLUMNS = {
    "engine": "{engine}",
    "s to start": "{start_s:.1f}",
    "s for the movie": "{seconds:.1f}",
    "processor s": "{processor_s:.1f}",
    "Mpx/s": "{mpx_per_s:.2f}",
    "peak MB": "{peak_mb:.0f}",
    "somas": "{somas}",
    "IoU with torch's: mean": "{mean_iou:.4f}",
    "least": "{least_iou:.4f}",
}
ARRANGEMENT_COLUMNS = {
    "engine": "{engine}",
    "frames": "{how}",
    "s": "{seconds:.2f}",
    "processor s": "{processor_s:.2f}",
    "Mpx/s": "{mpx_per_s:.2f}",
}
IMAGE_COLUMNS = {
    "network": "{network}",
    "engine": "{engine}",
    "threads": "{threads}",
    "ms": "{ms:.0f}",
    "processor ms": "{processor_ms:.0f}",
    "Mpx/s": "{mpx_per_s:.2f}",
    "GFLOP/s": "{gflops:.0f}",
    "of peak": "{share_of_peak:.0%}",
    "largest difference of a logit": "{largest_difference:.1e}",
}
INTEGER_COLUMNS = {
    "engine": "{engine}",
    "precision": "{precision}",
    "ms": "{ms:.0f}",
    "processor ms": "{processor_ms:.0f}",
    "IoU with torch's: mean": "{mean_iou:.4f}",
    "least": "{least_iou:.4f}",
}


def _rows(rows: Sequence[Row], columns: dict[str, str]) -> str:
    """A table of rows; columns: heading → key and format."""
    return table(list(columns), [[column.format(**row) for column in columns.values()] for row in rows])


def page(found: Row) -> str:
    """All tables as Markdown."""
    about, outside = found["machine"], found["outside_the_network_ms"]
    peaks = ", ".join(f"{value:.0f} (threads: {threads})" for threads, value in found["peak_gflops"].items())
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        "# Engines",
        f"{about['processor']}, {about['cores']} cores, {about['widest_instructions']}; {versions}.",
        f"Movie: {found['movie']}. Network: {found['model']}, weights {found['model_sha256'][:12]}.",
        (
            f"Float32 GFLOP/s of a matrix product: {peaks}. Load average {found['load_before']:.1f} before, "
            f"{found['load_after']:.1f} after. All of this took {found['seconds']:.0f} s, of processor time "
            f"{found['processor_s']:.0f} s."
        ),
        "## A movie, as `somanet analyze` segments it",
        _rows(found["whole_movie"], MOVIE_COLUMNS),
        (
            f"With any engine, preparing a frame takes {outside['prepare']:.0f} ms of processor time, post-processing "
            f"{outside['label']:.0f} ms."
        ),
        "## Parallel, one by one, in batches: eight frames",
        _rows(found["arrangements"], ARRANGEMENT_COLUMNS),
        f"## One image of 3 × {SIDE_PX} × {SIDE_PX} px",
        _rows(found["one_image"], IMAGE_COLUMNS),
        "## 8-bit integers: one frame, one thread",
        _rows(found["integers"], INTEGER_COLUMNS),
    ]
    return "\n\n".join(lines) + "\n"
