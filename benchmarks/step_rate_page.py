"""Result files of `benchmarks.step_rate` in, the tables of ``results/step_rate.md`` out."""

from typing import Any

from benchmarks.results_folder import kept

DEVICES = ("cpu", "cuda")
HEAD = (
    *("encoder", "batch", "precision"),
    *("windows/s", "ms", "reading and views", "GFLOP a step", "of the matmul rate"),
    "of the convolution rate",
)
RATES = {"matrix products": "matmul_flop_per_second", "convolutions": "convolution_flop_per_second"}


def tables() -> str:
    """One table for each device that was measured."""
    found = {device: kept(f"step_rate_{device}") for device in DEVICES}
    return "\n\n".join(
        told(figures) if figures else f"**{device}**\n\nnot measured yet"
        for device, figures in found.items()
    )


def told(figures: dict[str, Any]) -> str:
    """Circumstances, the rate of matrix products, and the rows."""
    facts = figures["circumstances"]
    device = facts["processor"] if figures["device"] == "cpu" else figures["device"]
    threads = f", {facts['threads']} threads" if figures["device"] == "cpu" else ""
    version = facts["packages"]["torch"]
    rates = "; ".join(
        f"{what} {', '.join(f'{name} {rate / 1e12:.3g}' for name, rate in figures[key].items())}"
        for what, key in RATES.items()
        if key in figures
    )
    about = f"torch {version}, commit {facts['commit']}, {facts['date']}."
    lines = [
        f"**{device}{threads}**",
        "",
        f"TFLOP/s of {rates}. {about} {facts.get('note', '')}".strip(),
        "",
        f"| {' | '.join(HEAD)} |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|",
        *(f"| {' | '.join(line(row))} |" for row in figures["rows"]),
    ]
    return "\n".join(lines)


def line(row: dict[str, Any]) -> list[str]:
    """The cells of a row."""
    return [
        row["encoder"],
        str(row["batch"]),
        row["precision"],
        f"{row['windows_per_second']:,.0f}",
        f"{row['milliseconds']:.1f}",
        f"{100 * row['views_share']:.0f} %",
        f"{row['gflop_per_step']:.0f}",
        *(
            f"{100 * row[share]:.1f} %" if share in row else "not measured"
            for share in ("of_matmul_rate", "of_convolution_rate")
        ),
    ]
