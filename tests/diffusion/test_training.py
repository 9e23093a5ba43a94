"""Training learns, can be interrupted anywhere, and refuses to mix two runs."""

import json
from dataclasses import replace

import pytest
import torch

from napari_lptem_diffusion import InputError
from napari_lptem_diffusion.diffusion.network import Architecture, load_network
from napari_lptem_diffusion.diffusion.training import TrainingConfig, train

TINY = TrainingConfig(
    steps=24,
    positions_per_step=1000,
    shortest=32,
    longest=32,
    validate_every=8,
    calibration_tracks=20,
    architecture=Architecture(filters=4, products=4, width=12, dilations=(1, 4)),
)


def test_training_lowers_the_loss_and_writes_weights(tmp_path):
    weights = train(TINY, tmp_path, say=lambda line: None)
    rows = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["step", "8", "16", "24"]
    assert float(rows[-1][4]) < float(rows[1][4])
    assert weights is not None
    assert load_network(weights).architecture == TINY.architecture
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["positions_seen"] == 24 * 1000


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path):
    whole = load_network(train(TINY, tmp_path / "whole", say=lambda line: None))
    assert train(TINY, tmp_path / "parts", say=lambda line: None, stop_at=11) is None
    parts = load_network(train(TINY, tmp_path / "parts", say=lambda line: None))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=0, atol=1e-5)


def test_a_folder_with_another_run_is_refused(tmp_path):
    train(TINY, tmp_path, say=lambda line: None, stop_at=1)
    with pytest.raises(InputError, match="another configuration"):
        train(replace(TINY, seed=2), tmp_path, say=lambda line: None)


def test_a_configuration_is_read_from_toml_and_unknown_names_are_refused(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("steps = 5\n[population]\nerror = [0.1, 0.2]\n[architecture]\nwidth = 24\n")
    config = TrainingConfig.from_toml(path)
    assert (config.steps, config.population.error, config.architecture.width) == (5, (0.1, 0.2), 24)
    path.write_text("stepps = 5\n")
    with pytest.raises(InputError, match="stepps"):
        TrainingConfig.from_toml(path)
