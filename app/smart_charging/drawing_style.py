"""The styles of pictures of composite schedules, and their meanings.

Each text keeps a contrast of 4.5 to what is behind it, in light and in dark; a test computes it.
"""

from app.types import Json

WARNING_NAME = "below 6 A, the vehicle pauses"
"""The meaning of the stripes: the limit cannot be signalled."""

REPORTED_NAME = "the charge point's own answer"
"""The meaning of the dashed line."""

NAMES = {
    "cap": "ChargePointMaxProfile",
    "default": "TxDefaultProfile",
    "own": "TxProfile",
    "hardware": "hardware",
    "sum": "sum of the connectors",
    "unknown": "not known",
}
"""Words for the legend, by style."""

_STYLES = {
    "ChargePointMaxProfile": "cap",
    "TxDefaultProfile": "default",
    "TxProfile": "own",
    "hardware": "hardware",
    "connectors": "sum",
    "connector": "sum",
    "idle": "hardware",
    "nothing": "unknown",
}

STYLE = """
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#14212b}
.title{font-size:16px;font-weight:600}.note,.tick{fill:#51606b}.end{text-anchor:end}.mid{text-anchor:middle}
.page{fill:#fff}.grid{stroke:#dbe2e6}.axis{stroke:#8795a1}.row{fill:#f1f4f6}
.step{fill:none;stroke:#14212b;stroke-width:2}.measured{fill:none;stroke:#c2255c;stroke-width:2;stroke-linecap:round}
.reported{fill:none;stroke:#7a4a00;stroke-width:2;stroke-dasharray:7 4}
.cap{fill:#a85b00}.default{fill:#1d7a51}.own{fill:#1f69bd}.hardware{fill:#5c6a75}.sum{fill:#6d4fc9}
.unknown{fill:#c9d2d8}.phases{fill:#44535e}.warned{fill:url(#stripes)}.stripe{stroke:#c92a2a;stroke-width:2}
.area{opacity:.34}.pale{opacity:.26}.on{fill:#fff;font-weight:600}.on.dark{fill:#14212b}
@media(prefers-color-scheme:dark){text{fill:#e4ecf0}.note,.tick{fill:#9fb0ba}.page{fill:#10181d}
.grid{stroke:#27343c}.axis{stroke:#62717c}.row{fill:#18232a}.step{stroke:#e4ecf0}.measured{stroke:#ff8fb1}
.reported{stroke:#ffd08a}
.cap{fill:#f2b14a}.default{fill:#4fc796}.own{fill:#62aef5}.hardware{fill:#9fb0ba}.sum{fill:#a890f0}
.unknown{fill:#3a4850}.phases{fill:#8fa2ae}.stripe{stroke:#ff8787}
.area{opacity:.38}.pale{opacity:.3}.on{fill:#0e1519}.on.dark{fill:#e4ecf0}}
"""
STRIPES = (
    '<defs><pattern id="stripes" width="7" height="7" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><path class="stripe" d="M0 0V7"/></pattern></defs>'
)
"""The pattern of `warned`."""


def style_of(source: Json) -> str:
    """Return the style of what set a limit: a purpose of profiles, or something else."""
    return _STYLES[source.get("chargingProfilePurpose") or source["kind"]]
