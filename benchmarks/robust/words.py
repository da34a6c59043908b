"""What a random command line is made of: values for every kind of option, good ones, odd ones and hostile ones."""

from __future__ import annotations

from random import Random
from typing import Any

import click

__all__ = ["SUPPLIES", "value_for"]

SUPPLIES = {  # files that lie in the folder of every random command line, beside `run`
    "bad.toml": "datasets = [\n",
    "list.toml": "seeds = [1]\nbudget = 3\n",
    "words.csv": "a,b,label\n1,2,x\nno,4,y\n",
    "signals.csv": "a,b\n1,2\n3,4\n5,6\n",
    "broken.py": "def register_models(:\n",
    "raises.py": "raise RuntimeError('at import')\n",
    "empty.py": "",
    "empty.npz": "",
    "text.npy": "no array",
}
ODD_NUMBERS = (
    *(
        "0",
        "-1",
        "1",
        "2",
        "3",
        "7",
        "100",
        "",
        " ",
        " 3",
        "03",
        "1_000",
        "1e3",
        "0x10",
        "1.5",
        "-0",
        "+2",
        "٣",
        "\uff11",
    ),
    *(
        "nan",
        "inf",
        "-inf",
        "true",
        "None",
        "1,2",
        "1,,2",
        ",",
        "1;2",
        "2147483648",
        "9223372036854775808",
        "1" * 40,
    ),
    *("1e308", "1e-320", "-1e309", "\x1b[31m1", "1\n2", "½", "1" * 5000),
)
ODD_TEXTS = (
    *(
        "",
        " ",
        "-",
        "--",
        ".",
        "..",
        "/",
        "a" * 300,
        "日本",
        "é",
        "e\u0301",
        "naïve name",
        "a\nb",
        "a\tb",
        "\x1b[31mred\x1b[0m",
    ),
    *(
        "\x07bell",
        "\u202eevil",
        "\ud800",
        "\udcff\udcfe",
        "%s%n",
        "{0}",
        "${HOME}",
        "$(id)",
        "'",
        '"',
        "\\",
        "*",
        "[red]x[/red]",
    ),
    *("a=b", "=", "a:b", ":", "a,b", "NaN", "null", "\u200b", "💥", "AE", "Digits", "latent_dim", "x" * 100_000),
)
PATHS = (
    *(
        "run",
        "run/",
        "./run",
        "run/../run",
        "nowhere",
        "run/run.json",
        "run/trials",
        "words.csv",
        "signals.csv",
        "empty.npz",
    ),
    *(
        "text.npy",
        "/dev/null",
        "/dev/zero",
        "/dev/null/x",
        "/proc/self/mem",
        "fifo",
        "loop",
        "dangling",
        "closed",
        "closed/x",
    ),
    *(
        "small.toml",
        "bad.toml",
        "list.toml",
        "out",
        "out/deep/er",
        "~",
        "~/x",
        "run:vae",
        "é",
        "a" * 300,
        "x/" * 3000,
    ),
)
GOOD = {  # option -> what is meant; where it is not here, any small number, choice or the run will do
    "datasets": ("digits", "digits:classes=1,2", "digits"),
    "models": ("ae", "vae", "pca", "pixels", "untrained", "tsne", "beta_vae"),
    "pairs": ("latent_dim=2", "latent_dim=2,3", "beta_vae.beta=4", "ae.hidden=64", "sigma=learned"),
    "scores": ("r2", "knn10", "r2,knn10", "silhouette", "rate", "knn"),
    "purposes": ("keep", "find", "keep,find", "walk", "use"),
    "model": ("vae", "ae", "pca"),
    "dataset": ("digits",),
    "seed": ("0", "1"),
    "items": ("1,2", "0,1,2,3", "359,7"),
    "from_item": ("1", "359"),
    "to_item": ("2", "0"),
    "via": ("3",),
    "blend": ("1,2,3", "4,5,6,7"),
    "item": ("5",),
    "attribute": ("label:1-2", "label:1->2=+1"),
    "then": ("label:2-3", "label:1-2=-1"),
    "lock": ("label:3-4",),
    "classes": ("1,2", "5,9"),
    "weights": ("1,2", "1,2,3"),
    "signals": ("signals.csv",),
    "path": ("linear", "slerp", "linear,norm", "graph", "all"),
    "method": ("pca", "tsne"),
    "by": ("label",),
    "limits": ("r2:5%", "knn10:5"),
    "a": ("run", "run:vae", "run:ae"),
    "b": ("run", "run:vae", "run:pca"),
    "names": ("r2", "silhouette", "knn"),
    "name": ("r2", "digits", "vae", "silhouette", "pca"),
    "kind": ("datasets", "models", "metrics", "plugins"),
    "files": ("empty.py",),
    "blocked": ("nope",),
    "benchmark": ("small.toml", "quick"),
    "output": ("out", "out/deep/er", "run"),
    "runs": ("run",),
    "epochs": ("1", "1,2"),
    "checkpoint": ("1",),
    "train_limit": ("100",),
    "points": ("5",),
    "map": ("pca",),
    "map_seeds": ("1", "2"),
    "clusters": ("2", "3"),
    "count": ("49", "100"),
}
ODD = {  # option -> what nobody can mean, near what is right
    "datasets": (
        "digits:classes=",
        "digits:classes=1,1",
        "digits:bogus=1",
        "digits:",
        ":",
        "arrays",
        "arrays:path=x",
        "Digits",
    ),
    "models": (
        "ae,vae",
        "vea",
        "broken.py:X",
        "empty.py:X",
        "raises.py:X",
        "nowhere.py:X",
        "empty.py:",
        ":X",
        "AE",
    ),
    "pairs": (
        *(
            "latent_dim=0",
            "latent_dim=-1",
            "latent_dim=1e9",
            "latent_dim=nan",
            "latent_dim=",
            "=2",
            "latent_dim",
            "beta=inf",
        ),
        *(
            "latent_dim,beta=1",
            "ae.backbone=nope",
            "sigma=0",
            "digits.classes=1",
            "latent_dim=2,2",
            "a.b.c=1",
            "é=1",
            "channels=99999999",
        ),
    ),
    "scores": ("r3", "r2,r2", ",", "reconstruction", "R2"),
    "purposes": ("nope", "keep,keep", ",", "KEEP"),
    "model": ("vae(", "VAE", "pixels", "v"),
    "dataset": ("Digits", "digit"),
    "items": ("1", "1,1", "360", "-1,2", "1,", "a,b"),
    "from_item": ("360", "-1"),
    "blend": ("1", "1,2", "1,2,3,4,5", "1,1,1"),
    "attribute": (
        "label:1-1",
        "label:1-99",
        "label",
        "smile=+1",
        "label:1-2=nan",
        "label:1-2=1e99",
        "label:1-2=0",
        "=1",
    ),
    "classes": ("1,1", "1,99", "1", "1,2,3"),
    "weights": ("0,0", "-1,2", "nan,1", "1e308,1e308"),
    "signals": ("words.csv", "text.npy", "fifo", "/dev/zero"),
    "path": ("nope", "linear,linear", ","),
    "method": ("nope", "pca,pca", ","),
    "limits": ("r2", "r2:-5%", "r2:1e999%", "nope:1%", ":1", "r2:" + "9" * 400),
    "a": ("run:nope", "run:", ":vae", "nowhere:vae", "run:run:vae"),
    "names": ("digits", "vae", "nope"),
    "files": ("broken.py", "raises.py", "nowhere.py", "words.csv", "run", "fifo"),
    "benchmark": ("bad.toml", "list.toml", "nowhere.toml", "nope", "digits", "fifo", "closed"),
}
ODD["b"] = ODD["a"]


def value_for(option: click.Parameter, random: Random, odd: bool) -> str:
    """Draw a value for an option or argument: one that could be meant, or one that is wrong or strange."""
    if not odd:
        return random.choice(GOOD.get(str(option.name)) or _typed(option, random))
    pools = (ODD.get(str(option.name), ODD_TEXTS), _odd_of(option.type), _odd_of(option.type), ODD_TEXTS)
    return sendable(random.choice(random.choice(pools)))


def _typed(option: click.Parameter, random: Random) -> tuple[str, ...]:
    kind = option.type
    if isinstance(kind, click.Choice):
        return tuple(map(str, kind.choices))
    if isinstance(kind, click.Path):
        return ("run",)
    low = getattr(kind, "min", None) or 1
    return (str(int(low)), str(int(low) + random.randrange(5)))


def _odd_of(kind: Any) -> tuple[str, ...]:
    if isinstance(kind, click.Choice):
        choices = tuple(map(str, kind.choices))
        return (*map(str.upper, choices), *(f"{choice} " for choice in choices), choices[0][:-1], "")
    if isinstance(kind, click.Path):
        return PATHS
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        return ODD_NUMBERS
    return (*ODD_NUMBERS, *ODD_TEXTS, *PATHS)


def sendable(text: str) -> str:
    """Return the text without what no command line can hold: zeros, lone surrogates but for those of raw bytes."""
    return "".join(letter for letter in text if letter and not "\ud800" <= letter < "\udc80")
