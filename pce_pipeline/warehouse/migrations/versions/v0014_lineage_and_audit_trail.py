"""Lineage and audit trail: raw objects, watermarks, what checks said, and what became of each partition."""

from alembic import op

revision = "0014"
down_revision = "0013"

_TABLES = """
CREATE TABLE meta.raw_objects (
    dataset text NOT NULL,
    extract text NOT NULL,
    object_key text NOT NULL,
    lake_key text NOT NULL,
    bea_tables text[] NOT NULL,
    line_code integer,
    published_as text[],
    origin text NOT NULL,
    endpoint text NOT NULL,
    parameters jsonb NOT NULL,
    extracted_at timestamptz NOT NULL,
    sha256 text NOT NULL,
    bytes bigint NOT NULL,
    rows bigint NOT NULL,
    last_updated_on date,
    run_id text NOT NULL,
    code_version text NOT NULL,
    PRIMARY KEY (dataset, extract, object_key)
);
CREATE TABLE meta.watermarks (
    bea_table text PRIMARY KEY,
    dataset text NOT NULL,
    extract text NOT NULL,
    last_released_on date,
    changed_at timestamptz NOT NULL,
    compared_at timestamptz NOT NULL,
    compare_within_days integer NOT NULL,
    compare_due_at timestamptz NOT NULL,
    run_id text NOT NULL
);
CREATE TABLE meta.check_results (
    run_id text NOT NULL,
    asset text NOT NULL,
    check_name text NOT NULL,
    table_name text NOT NULL,
    passed boolean NOT NULL,
    severity text NOT NULL,
    summary text NOT NULL,
    figures jsonb NOT NULL,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, asset, check_name)
);
CREATE INDEX check_results_table ON meta.check_results (table_name, checked_at);
CREATE TABLE meta.audit_trail (
    run_id text NOT NULL,
    asset text NOT NULL,
    partition text NOT NULL,
    table_name text NOT NULL,
    event text NOT NULL,
    happened_at timestamptz NOT NULL,
    content_sha256 text,
    content_before text,
    extracts jsonb NOT NULL,
    inputs jsonb NOT NULL,
    code_version text,
    rows_in bigint,
    rows_out bigint,
    rows_quarantined bigint,
    rows_inserted bigint,
    rows_updated bigint,
    rows_deleted bigint,
    checks_passed integer NOT NULL,
    checks_failed integer NOT NULL,
    step_seconds double precision,
    PRIMARY KEY (run_id, asset, partition)
);
CREATE INDEX audit_trail_partition ON meta.audit_trail (table_name, partition, happened_at);
"""

_MANIFESTS = """
ALTER TABLE meta.manifests ADD COLUMN written_at timestamptz;
ALTER TABLE meta.manifests ADD COLUMN written_by text;
ALTER TABLE meta.manifests ADD COLUMN files text[];
ALTER TABLE meta.manifests ADD COLUMN extracts jsonb;
UPDATE meta.manifests SET
    written_at = (manifest ->> 'published_at')::timestamptz,
    written_by = manifest ->> 'run_id',
    files = ARRAY(
        SELECT object ->> 'version_key'
        FROM jsonb_array_elements(manifest -> 'objects') WITH ORDINALITY AS files(object, place) ORDER BY place
    )
WHERE written_at IS NULL AND manifest ? 'objects';
"""


def upgrade() -> None:
    """Add the tables and columns; the first load after it fills them from what the lake holds."""
    op.execute(_TABLES)
    op.execute(_MANIFESTS)
