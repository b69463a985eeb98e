-- Hosts that were written since V9 by a program that did not write this column.
UPDATE hosts SET server = JSON_VALUE(settings, '$.server')
WHERE NOT server <=> JSON_VALUE(settings, '$.server');
