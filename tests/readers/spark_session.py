"""A Spark for small datasets and queries that run once: what makes the next run of a query faster costs more than it saves."""

from pyspark.sql import SparkSession

OPTIONS = {
    # The first compiler only, and no threads that collect garbage beside.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def session(dataset):
    """Starts Spark in this process; it keeps no tables."""
    builder = SparkSession.builder.master("local[1]").config("spark.sql.warehouse.dir", f"{dataset}/nowhere")
    for name, value in OPTIONS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark
