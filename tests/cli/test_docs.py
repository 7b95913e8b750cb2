"""The generated documents are what the code would generate."""

from pathlib import Path

from kafka_sentinel.docs_gen import DOCUMENTS, main, render_configuration
from kafka_sentinel.settings.describe import keys

DOCS = Path(__file__).parents[2] / "docs"


def test_generated_documents_are_current():
    assert main(["--check", "--folder", str(DOCS)]) == 0


def test_a_stale_or_missing_document_is_found_and_written_anew(tmp_path, capsys):
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert main(["--write", "--folder", str(tmp_path)]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    (tmp_path / "configuration.md").write_text("old")
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert "configuration.md; run `make docs`" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(DOCUMENTS)


def test_every_key_is_documented_with_its_variable():
    text = render_configuration()
    for key in keys():
        assert f"`{key.variable}`" in text
        assert f"`{key.path[-1]}`" in text
