"""Give both languages what is kept once: `docs/assets` and the recorded pictures beside the results."""

from pathlib import Path

from mkdocs.structure.files import File

PICTURES = (".png", ".svg")


def shared_files(docs: Path, results: Path) -> dict[str, Path]:
    """Return the files a site gets besides its own pages: address in the site → file on disk."""
    assets = {f"assets/{path.relative_to(docs / 'assets').as_posix()}": path for path in _files(docs / "assets")}
    pictures = [path for path in _files(results) if path.suffix in PICTURES and path.parent != results]
    return assets | {f"assets/results/{path.relative_to(results).as_posix()}": path for path in pictures}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def on_files(files, config):
    root = Path(config.config_file_path).parent
    for address, path in shared_files(root / "docs", root / config.extra["results_dir"]).items():
        files.append(File.generated(config, address, abs_src_path=str(path)))


def on_serve(server, config, builder):
    root = Path(config.config_file_path).parent
    for folder in ("assets", "results"):
        server.watch(str(root / "docs" / folder))
