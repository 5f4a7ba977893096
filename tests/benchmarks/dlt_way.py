"""dlt moves the old tables into the new store's database, SQL splits them there: `python dlt_way.py OLD_URL NEW_URL`, in an environment that has dlt.

Only the move is done by dlt (Arrow backend, Parquet loaded by ADBC: its CSV loader takes no binary columns), into the schemas portal2 and tc; `postgresql.py` then
runs `by_hand.sql` on them. Imports nothing of this project: the environment has dlt and not us.
"""

import sys

import dlt
from dlt.sources.sql_database import sql_database

if __name__ == "__main__":
    old, new = (url.replace("postgresql://", "postgresql+psycopg2://") for url in sys.argv[1:3])
    # dlt wants host and password in the URL's own place; libpq takes the socket that the query names.
    destination = sys.argv[2].replace("postgres@/", "postgres:none@localhost/")
    for schema in ("portal2", "tc"):
        pipeline = dlt.pipeline(
            f"benchmark_{schema}", destination=dlt.destinations.postgres(destination), dataset_name=schema, pipelines_dir=sys.argv[3]
        )
        source = sql_database(old, schema=schema, backend="pyarrow", chunk_size=50_000, reflection_level="full_with_precision")
        pipeline.run(source, loader_file_format="parquet", write_disposition="replace").raise_on_failed_jobs()
