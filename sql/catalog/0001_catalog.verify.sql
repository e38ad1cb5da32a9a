SELECT id, project_id, path, name, commit_sha, last_indexed_at, is_active, created_at
  FROM catalog.repositories WHERE false;
SELECT id, repository_id, relative_path, content_hash, size_bytes, language, modified_at, indexed_at,
       is_deleted, deleted_at
  FROM catalog.code_files WHERE false;
SELECT id, code_file_id, content, start_line, end_line, chunk_type, symbol, file_words,
       words_partial
  FROM catalog.code_chunks WHERE false;
SELECT repository_id, relative_path, size_bytes, modified_at FROM catalog.binary_files WHERE false;
SELECT repository_id, token, redo_before FROM catalog.index_runs WHERE false;
SELECT 1 / (count(*) = 4)::int FROM pg_catalog.pg_class
 WHERE relnamespace = 'catalog'::regnamespace AND relrowsecurity
   AND relname IN ('repositories', 'code_files', 'code_chunks', 'binary_files');
SELECT 1 / (count(*) = 7)::int FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 WHERE i.indisvalid AND c.relnamespace = 'catalog'::regnamespace
   AND c.relname IN ('uq_code_files_path', 'idx_code_files_deleted', 'idx_code_chunks_file',
                     'idx_code_chunks_symbol', 'idx_code_chunks_text', 'idx_code_chunks_trigrams',
                     'idx_code_chunks_partial');
