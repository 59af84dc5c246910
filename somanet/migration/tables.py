"""Columns and units of the tables that the migration analysis makes."""

from __future__ import annotations

from somanet.core.schema import SALTATIONS, Column, Schema

SALTATION_EVENTS = Schema(
    "saltation events",
    (
        *SALTATIONS.columns,
        Column("direction_deg", "float64", "°", "heading in the image, whatever the axis: 0 = right, 90 = down"),
        Column("reach_um", "float64", "µm", "net displacement with the step before and after; NaN if censored"),
        Column("censored", "string", "", "start | end | both: not seen, so length and times are bounds; empty if seen"),
    ),
)
PAUSES = Schema(
    "pauses",
    (
        Column("track_id", "int64", "", "the cell"),
        Column("start_h", "float64", "h", "start, since frame 0"),
        Column("end_h", "float64", "h", "end, since frame 0"),
        Column("duration_h", "float64", "h", "end less start; a lower bound if censored"),
        Column("censored", "string", "", "start | end | both: not seen, at the track's end or a gap; empty if seen"),
    ),
)
CELL_NUMBERS = Schema(
    "migration",
    (
        Column("track_id", "int64", "", "the cell"),
        Column("start_h", "float64", "h", "first time seen, since frame 0"),
        Column("end_h", "float64", "h", "last time seen"),
        Column("n_frames", "int64", "", "frames in which it is seen"),
        Column("frame_interval_h", "float64", "h", "time between frames, for the correction for the frame interval"),
        Column("observed_h", "float64", "h", "observed time without gaps"),
        Column("path_um", "float64", "µm", "sum of steps; grows with frame rate, as noise counts as travel"),
        Column("distance_um", "float64", "µm", "distance covered in saltations, without noise; cut-off ones included"),
        Column("net_um", "float64", "µm", "distance from first to last position"),
        Column("straightness", "float64", "", "net over path, 0 to 1; falls with frame rate"),
        Column("average_speed_um_per_h", "float64", "µm/h", "sum of gap-free steps over observed time"),
        Column("velocity_y_um_per_h", "float64", "µm/h", "average velocity, down"),
        Column("velocity_x_um_per_h", "float64", "µm/h", "average velocity, right"),
        Column("axis_deg", "float64", "°", "the axis that along and across refer to: 0 = right, 90 = down"),
        Column("velocity_along_um_per_h", "float64", "µm/h", "average velocity along the axis"),
        Column("velocity_across_um_per_h", "float64", "µm/h", "average velocity a quarter turn further than the axis"),
        Column(
            "direction_deg",
            "float64",
            "°",
            "heading of net_um in the image, whatever the axis: 0 = right, 90 = down; NaN if within noise",
        ),
        Column("n_saltations", "int64", "", "saltations whose start is seen"),
        Column("frequency_per_h", "float64", "1/h", "n_saltations over observed time"),
        Column(
            "frequency_corrected_per_h", "float64", "1/h", "the same, corrected for starts and pauses that frames hide"
        ),
        Column("n_complete", "int64", "", "saltations seen from start to end"),
        Column("mean_length_um", "float64", "µm", "mean net displacement of complete saltations"),
        Column("mean_duration_h", "float64", "h", "mean duration of complete saltations"),
        Column("mobile_speed_um_per_h", "float64", "µm/h", "sum of lengths over sum of durations"),
        Column("mobile_h", "float64", "h", "time in saltations, incomplete ones included"),
        Column("n_pauses", "int64", "", "pauses seen from start to end"),
        Column("mean_pause_h", "float64", "h", "their mean; too short, as long ones are cut by the track's ends"),
        Column("pause_fraction", "float64", "", "1 - mobile_h over observed time"),
        Column("long_enough", "int64", "", "1 if at least 4 h or 12 frames, or min_track_h if set; only these count"),
        Column(
            "noise_um",
            "float64",
            "µm",
            "localisation noise per axis, of its movie; a bound where cells never rest",
        ),
    ),
)
"""What a reader wants to know of a cell: the track, when it is seen, motion, direction, saltations, pauses, quality."""
MODES = Schema(
    "modes",
    (
        Column("track_id", "int64", "", "the cell"),
        Column("mode", "string", "", "saltatory | continuous | resting | undecided"),
        Column(
            "saltatory_chance",
            "float64",
            "",
            "posterior of rests and jumps against motion without rest; 0 for a cell that hardly rests by either model",
        ),
        Column("rest_share", "float64", "", "share of its steps at rest, below 3.5 µm/h from frame to frame"),
        Column("creep_share", "float64", "", "share of them creeping, between rest and run"),
        Column("run_share", "float64", "", "share of them running, above 17 µm/h"),
    ),
)
CELL_INTERNALS = Schema(
    "migration internals",
    (
        CELL_NUMBERS.columns[0],
        Column("exposed_h", "float64", "h", "observed_h less a frame interval per stretch: where starts can be seen"),
        Column("complete_um", "float64", "µm", "sum of the lengths of complete saltations"),
        Column("complete_reach_um", "float64", "µm", "the same with the step before and after each"),
        Column("complete_h", "float64", "h", "sum of the durations of complete saltations"),
        Column("complete_weight", "float64", "", "sum over them of 1 over the chance to be seen from start to end"),
        Column("weighted_reach_um", "float64", "µm", "sum of weight times reach, for the corrected length"),
        Column("mobile_step_um", "float64", "µm", "a longer step is motion, at the frame interval; NaN without steps"),
        Column("rest_step_um", "float64", "µm", "a shorter step alone between two jumps is rest; 0 if none is"),
        Column("n_turns", "int64", "", "pairs of saltations in a row"),
        Column("turn_cosine", "float64", "", "sum of the cosines between their directions"),
        Column("n_rest_steps", "int64", "", "early steps of pauses, two each, after which the cell is still seen"),
        Column("n_rest_ends", "int64", "", "such steps after which it jumps"),
        Column("even_frames", "int64", "", "1 if one frame interval describes its movie's steps"),
        Column("movie_h", "float64", "h", "from its movie's first frame with a cell to the last one"),
        Column("n_cut", "int64", "", "saltations whose end is lost with the cell, before the movie's end"),
        Column("saltations_supported", "int64", "", "0 if its movie does not support their speed and pauses"),
        Column("identities_kept", "int64", "", "0 if its movie's tracks seem to exchange their cells"),
        Column("false_motion", "float64", "", "chance that noise makes a step in a pause mobile; NaN without steps"),
        Column("false_saltations", "float64", "", "saltations that noise alone would make in its observed time"),
        Column("complete_distance_um", "float64", "µm", "distance_um of complete saltations"),
        Column("speed_moment_um2_per_h", "float64", "µm²/h", "their speed weighted by distance, times the distance"),
        Column("square_1h_um2", "float64", "µm²", "sum of squared displacements over an hour, less the noise"),
        Column("n_1h", "float64", "", "pairs of positions an hour apart"),
        Column("observed_net_um", "float64", "µm", "net_um without what it did while frames are missing"),
        Column("turn_weight", "float64", "", "pairs of saltations in a row, those near the least length for less"),
        Column("weighted_turn_deg", "float64", "°", "sum over them of the angle between them, 0 to 180, so weighted"),
        Column("n_headings", "int64", "", "1 if it has a direction"),
        Column("heading_cosine", "float64", "", "cosine of the angle from the axis to its direction, else 0"),
        Column("heading_sine", "float64", "", "sine of that angle, else 0"),
    ),
)
"""Sums that numbers of several cells, and their correction for what frames hide, are computed from."""
MIGRATION = Schema("migration", (*CELL_NUMBERS.columns, *CELL_INTERNALS.columns[1:]))
"""Both, as they are measured and pooled; files have them apart."""
