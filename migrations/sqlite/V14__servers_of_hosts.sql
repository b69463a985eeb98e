-- Hosts that were written since V9 by a program that did not write this column.
UPDATE hosts SET server = json_extract(settings, '$.server')
WHERE server IS NOT json_extract(settings, '$.server');
