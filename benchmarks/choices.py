"""What a composed config chooses for a cell: the entry of one group, its metrics, and what makes no cell."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

PRECISIONS = ("float32", "tf32", "bfloat16")  # the first is what cells had before there were others


def group_of(entry: str | list[str] | None, choices: Mapping[str, object], asked: Collection[str] = ()) -> str | None:
    """Return the config group of a cell's entry: of a kind with several, the first that is chosen, or else the last.

    The last has an entry without being asked for.
    """
    groups = entry if isinstance(entry, Sequence) and not isinstance(entry, str) else [entry]
    chosen = [group for group in groups if group and choices.get(group)]
    if len({group for group in chosen if group != groups[-1] or group in asked}) > 1:
        said = " and ".join(f"{group}={choices[group]}" for group in chosen[:2])
        raise ValueError(f"a cell needs one entry; {said} were given")
    return [*chosen, groups[-1]][0]


def of_group(config: Mapping, choices: Mapping[str, object], asked: Collection[str] = ()) -> tuple[dict, str | None]:
    """Return a config with the entry of one group, and with the metrics that score it, and this group.

    A metric that stands in a module with the name of another group of the kind scores other entries.
    """
    refuse_part("benchmark", config, choices)
    entry = config["benchmark"]["entry"]
    group = group_of(entry, choices, asked)
    others = {*entry} - {group} if isinstance(entry, list) else set()
    config = {key: value for key, value in config.items() if key not in others}
    config["benchmark"] = config["benchmark"] | {"entry": group}
    if others and isinstance(metrics := config.get("metric"), Mapping):
        config["metric"] = {name: node for name, node in metrics.items() if module(node) not in others}
        if metrics and not config["metric"]:
            need = f"{group}={choices[group]} needs a metric of {group}"
            raise ValueError(f"{need}; {next(iter(metrics))} is one of {module(next(iter(metrics.values())))}")
    return config, group


def module(node: Mapping) -> str:
    """Return the name of the module in which an entry's class stands, without its packages."""
    return str(node.get("_target_", "")).rpartition(".")[0].rpartition(".")[2] if isinstance(node, Mapping) else ""


def refused(config: Mapping, group: str | None, choices: Mapping[str, object]) -> None:
    """Refuse a config that makes no cell."""
    refuse_name(config["name"])
    for part in filter(None, ("dataset", "model", group)):
        refuse_part(part, config, choices)
    metrics = config.get("metric", {})
    if not isinstance(metrics, Mapping) or not any(metrics.values()):
        raise ValueError(
            "metric needs names: metric=[NAME,NAME], or in a file under `defaults`: `- override /metric: [NAME,NAME]`"
        )
    refuse_seed(config["seed"])
    if (precision := precision_of(config)) not in PRECISIONS:
        raise ValueError(f"precision needs to be one of {', '.join(PRECISIONS)}; {precision!r} was given")


def refuse_part(part: str, config: Mapping, choices: Mapping[str, object]) -> None:
    """Refuse a part of a cell for which not one entry is chosen by name."""
    if not isinstance(choices.get(part), str):
        raise ValueError(f"{part} needs one name, as in {part}=NAME; with -m, {part}=NAME,NAME tries several")
    if not isinstance(config[part], Mapping):
        raise ValueError(
            f"{part} needs settings, and a file gives {config[part]}; an entry is chosen under `defaults`, as in "
            f"`- override /{part}: {config[part]}`"
        )
    if choices[part].endswith((".yaml", ".yml")):
        raise ValueError(f"{part}={choices[part]} needs the name without .yaml")
    if "_target_" not in config[part]:
        raise ValueError(f"{part}={choices[part]} needs a `_target_` at the top of its file, which says what is called")


def refuse_name(name: object) -> None:
    """Refuse what is no name for a folder below outputs/."""
    path = Path(str(name))
    if type(name) not in (str, int, float) or not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(
            f"name needs a name for the folder under outputs/; name={'null' if name is None else name} was given"
        )


def refuse_seed(seed: object) -> None:
    """Refuse what is no seed, whether or not a cell draws anything."""
    if type(seed) is not int or seed < 0:
        raise ValueError(f"seed needs a whole number >= 0; {seed!r} was given")


def precision_of(config: Mapping) -> str:
    """Return the precision of a config; there were cells before there were several."""
    return config.get("precision", PRECISIONS[0])
