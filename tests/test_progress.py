from segvae_jax.progress import MapProgress


def test_the_time_left_follows_from_all_that_this_run_has_done(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("rich.console.monotonic", lambda: now[0])
    with MapProgress("drawing", 400, completed=100) as progress:
        progress.print("nothing yet")
        for now[0], count in ((10.0, 100), (10.1, 100)):  # two processes, done at nearly the same time
            progress.advance_logged(count)
    lines = [line for line in capsys.readouterr().err.splitlines() if " of 400 maps" in line]
    assert lines == [
        "nothing yet: 100 of 400 maps, ETA unknown",
        "drawing: 200 of 400 maps, ETA 0:00:20",
        "drawing: 300 of 400 maps, ETA 0:00:05",
    ]
