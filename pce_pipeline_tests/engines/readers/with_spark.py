"""Spark, real and local, with Iceberg's runtime; tags by `VERSION AS OF`.

PyPI has the runtime's jar only within another package, from which it left out the Jackson that it renamed for itself.
Spark's own Jackson, renamed the same way, stands in (`renamed_jackson`); who has Maven takes the whole jar from there.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyspark
import snowpark_connect_deps_iceberg
from pyspark.sql import SparkSession

from pce_pipeline_tests.engines.readers.question import Moment, OpenTable, Question, answer, asked
from pce_pipeline_tests.engines.readers.renamed_jackson import write_renamed

_RUNTIME = "iceberg-spark-runtime-3.5_2.12-*.jar"


def main() -> None:
    """Answer the question."""
    question = asked()
    with tempfile.TemporaryDirectory() as folder:
        jackson = Path(folder) / "jackson.jar"
        write_renamed(jackson, Path(pyspark.__file__).parent / "jars")
        (runtime,) = (Path(snowpark_connect_deps_iceberg.__file__).parent / "jars").glob(_RUNTIME)
        spark = _session(question, (runtime, jackson), Path(folder))
        try:
            _ask(question, spark)
        finally:
            spark.stop()


def _ask(question: Question, spark: SparkSession) -> None:
    def source(table: OpenTable, moment: Moment) -> str:
        name = "lake." + table.location.removeprefix(f"{question.warehouse}/").replace("/", ".")
        return f"{name} VERSION AS OF '{table.tag}'" if moment == "then" else name

    def counted(table: OpenTable, moment: Moment) -> Sequence[Any]:
        (row,) = spark.sql(f"SELECT {table.counted()} FROM {source(table, moment)}").collect()
        return tuple(row)

    def figures(table: OpenTable, moment: Moment) -> Iterable[tuple[Any, Any]]:
        of = question.figures
        found = spark.sql(f"SELECT year, {of.column} FROM {source(table, moment)} WHERE {of.condition()}").collect()
        return [(row[0], row[1]) for row in found]

    answer(question, pyspark.__version__, counted, figures)


def _session(question: Question, jars: Sequence[Path], folder: Path) -> SparkSession:
    settings = {
        "spark.jars": ",".join(map(str, jars)),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "hadoop",
        "spark.sql.catalog.lake.warehouse": question.warehouse,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.local.dir": str(folder),
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


if __name__ == "__main__":
    main()
