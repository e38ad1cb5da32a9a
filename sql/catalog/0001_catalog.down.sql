DROP TABLE catalog.index_runs;
DROP TABLE catalog.binary_files;
DROP TABLE catalog.code_chunks;
DROP TABLE catalog.code_files;
DROP TABLE catalog.repositories;
DROP SCHEMA catalog;
