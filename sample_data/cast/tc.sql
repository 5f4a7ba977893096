-- The cast of the Trade Compliance portal: INSERT statements for SQLite. Account 1 has no anomaly, the others demonstrate chapter I.
-- Their importers are in portal2.sql.
INSERT INTO tc_account VALUES
  (1, 'TC-0001', 1, 'Harbor & Pine Imports', 'APPROVED', 'ACTIVE', '2018-01-01', '2018-06-01', 'Rosa Field', '2018-05-31 17:00:00', 'Manager Five', '2023-01-01 00:00:00'),
  (2, 'TC-0002', 2, 'Twin Rivers Trading', 'APPROVED', 'ACTIVE', NULL, NULL, NULL, NULL, NULL, '2023-01-01 00:00:00'),              -- two importers: two numbers against one
  (3, 'TC-0003', NULL, 'Ledger Imports', 'APPROVED', 'ACTIVE', NULL, NULL, NULL, NULL, NULL, '2023-01-01 00:00:00'),                 -- no profile given
  (4, 'TC-0004', 999, 'Ledger Imports (2)', 'APPROVED', 'ACTIVE', NULL, NULL, NULL, NULL, NULL, '2023-01-01 00:00:00'),              -- the given profile does not exist
  (5, 'TC-0005', 30, 'Tie Trading', 'APPROVED', 'ACTIVE', NULL, NULL, NULL, NULL, NULL, '2023-01-01 00:00:00'),                      -- one number with each of two
  (6, 'TC-0006', 30, 'Tie Trading (2)', 'APPROVED', 'SUSPENDED', NULL, NULL, NULL, NULL, NULL, '2023-01-01 00:00:00'),               -- no active number in common
  (7, 'TC-0007', 3, 'Meridian', 'REJECTED', 'CLOSED', NULL, NULL, NULL, NULL, NULL, '2023-01-01 00:00:00'),                          -- a profile without importer
  (8, 'TC-0008', 4, 'Empty Shell', 'APPROVED', 'ACTIVE', NULL, NULL, NULL, NULL, NULL, '2023-01-01 00:00:00'),                       -- a profile that is held
  (9, 'TC-0009', NULL, 'Known to nobody', 'APPROVED', 'ACTIVE', NULL, NULL, NULL, NULL, NULL, '2023-01-01 00:00:00'),
  (10, 'a number of more than twenty characters', 1, 'Too long', 'APPROVED', 'ACTIVE', NULL, NULL, NULL, NULL, NULL, '2023-01-01 00:00:00'),
  (11, 'TC-0011', 24, 'Every Answer Imports', 'APPROVED', 'ACTIVE', '2023-02-30', NULL, NULL, NULL, NULL, '2023-01-01 00:00:00');
INSERT INTO tc_ior VALUES
  (1, '12 3456789ab', 'Y'), (1, '12-3456789XX', 'Y'), (1, '078-05-1120', 'N'),           -- the importer's own; two that it lacks, one of them a person's number
  (2, '20-0000001', 'Y'), (2, '200000002', 'Y'), (2, '20 0000003', 'Y'), (2, '20--0000003', 'Y'),
  (3, '29.0000001', 'Y'), (4, '29-0000002', 'Y'), (5, '30-0000001', 'Y'), (5, '30-0000002', 'Y'), (6, '30-0000001', 'N'), (6, '30-0000004', 'Y'), (9, '--', 'Y'),
  (11, NULL, 'Y'), (11, '|24', 'Y');
INSERT INTO tc_contact VALUES
  (1, 1, 'Rosa.Field@HARBOR-PINE.example', 'Rosa Field', 'Vice President', 'OFFICER', 'Y'),       -- her old login
  (2, 1, 'Trade.Only@harbor-pine.example ', 'Trude Only', 'Customs Manager', 'EMPLOYEE', 'Y'),    -- a login is made for her
  (3, 1, 'trade.only@HARBOR-PINE.example', 'Trude Only (again)', 'Another title', 'EMPLOYEE', 'N'),
  (4, 1, 'no address', 'Noah Mail', NULL, 'CONSULTANT', 'N'), (5, 1, NULL, NULL, NULL, 'CONSULTANT', 'N'),
  (6, 1, replace(hex(zeroblob(100)), '0', 'ß') || '@tc.example', 'Grown Key', NULL, 'EMPLOYEE', 'N'),
  (7, 1, 'per@lindqvist.example', 'Per Lindqvist', 'Consultant', 'CONSULTANT', 'N'),              -- has access to profile 1 already
  (8, 1, 'ghost@empty-shell.example', 'Gus Ghost', NULL, 'EMPLOYEE', 'N'),                        -- has a login and no CTPAT account
  (9, 5, 'tie@tie.example', 'Of a held account', NULL, 'EMPLOYEE', 'Y'), (10, 99, 'lost@tc.example', 'Of an account that never was', NULL, 'EMPLOYEE', 'Y');
INSERT INTO tc_questionnaire_answer VALUES (1, 1, 'Yes.', '2018-02-01 00:00:00'), (1, 2, '', '2018-02-01 00:00:00'), (1, 3, NULL, '2018-02-01 00:00:00'), (5, 1, 'Below a held account.', '2018-02-01 00:00:00');
INSERT INTO tc_document VALUES
  (1, 1, 'MOU', 'mou.pdf', 'application/pdf', 3, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'ROSA.FIELD@harbor-pine.example', '2018-05-31 17:00:00', 1),    -- the bytes of P2 document 101
  (2, 1, 'ANL', 'letter.pdf', NULL, NULL, NULL, 'nobody@harbor-pine.example', '2022-09-01 00:00:00', 1),
  (3, 1, 'ANL', 'lost.pdf', NULL, NULL, NULL, NULL, '2022-09-01 00:00:00', 1), (4, 5, 'ANL', 'held.pdf', NULL, NULL, NULL, NULL, '2022-09-01 00:00:00', 1),
  (5, 1, 'ANL', 'changed.pdf', NULL, 3, 'aaaaaaaa8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', NULL, '2022-09-01 00:00:00', 1);
INSERT INTO tc_document_content VALUES (1, X'616263'), (2, CAST('The letter of 2022.' AS BLOB)), (4, CAST('A letter below a held account.' AS BLOB)), (5, X'616263'), (6, CAST('Bytes that no document of TC claims.' AS BLOB));
INSERT INTO tc_annual_notification VALUES
  (1, 1, 2022, '2022-09-20', '2022-09-01 00:00:00', 'trade.only@harbor-pine.example', 'SUBMITTED'), (2, 1, 2023, '2023-09-20', NULL, NULL, 'OPEN'), (3, 1, 2024, '2024-09-20', NULL, NULL, 'OPEN'),
  (4, 5, 2023, '2023-09-20', NULL, NULL, 'OPEN');
INSERT INTO tc_anl_item VALUES (1, 'CHANGES', 'None.'), (1, 'PERSONS', ''), (4, 'CHANGES', 'Below a held account.'), (99, 'CHANGES', 'Of a letter that never was.');
INSERT INTO tc_anl_document VALUES (1, 2), (1, 4), (2, 99), (4, 4), (2, 2);
INSERT INTO tc_message VALUES (1, 1, 'manager@portal.example', 'Your letter, please.', '2022-08-01 00:00:00'), (2, 1, NULL, 'zero' || char(0), '2022-08-02 00:00:00'), (3, 9, NULL, 'Below a held account.', '2022-08-02 00:00:00');
INSERT INTO tc_event VALUES (1, 1, 'CREATED', NULL, '2018-01-01 00:00:00'), (2, 1, 'STATUS', 'ACTIVE', '2018-06-01 00:00:00.000001'), (3, 5, 'CREATED', NULL, '2018-01-01 00:00:00'), (4, 1, 'STATUS', 'ACTIVE', '2018-02-30 00:00:00');
