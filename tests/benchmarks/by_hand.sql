-- The split written by hand, as an engineer would who has only SQL: all 52 old tables into the new ones, inside one server.
-- The old tables lie in the schemas portal2 and tc, the new ones, without constraints, in the current schema. Ids follow the same recipe.
-- What it leaves out: holding and exceptions (rows that no account can take are simply not there), checks, the file share, the object store,
-- texts that are not valid Unicode, cycles of document versions, the exact answer for clocks that were skipped or ambiguous.

CREATE FUNCTION tag(name text) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT substr(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 1, 3) $$;
CREATE FUNCTION copy_id(tag text, key bigint, entity bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
  $$ SELECT (lpad(to_hex(entity), 12, '0') || '8' || tag || '8' || lpad(to_hex(key), 15, '0'))::uuid $$;
CREATE FUNCTION once_id(tag text, key bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
  $$ SELECT ('0000000000008' || tag || '9' || lpad(to_hex(key), 15, '0'))::uuid $$;
CREATE FUNCTION text_id(tag text, digest text) RETURNS uuid LANGUAGE sql IMMUTABLE AS
  $$ SELECT (substr(digest, 1, 12) || '8' || tag || 'a' || substr(digest, 13, 15))::uuid $$;
CREATE FUNCTION normal(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT regexp_replace(upper(value), '[^A-Z0-9]', '', 'g') $$;
CREATE FUNCTION adjusted(due date) RETURNS date LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN due BETWEEN '2023-09-16' AND '2023-09-30' THEN due + 15 END $$;

-- catalogues
INSERT INTO business_type SELECT business_type_cd, name, active_ind = 'Y' FROM portal2.business_type;
INSERT INTO criteria_version SELECT criteria_version_id, name, effective_dt FROM portal2.criteria_version;
INSERT INTO criteria_category SELECT category_no, name, focus_area FROM portal2.criteria_category;
INSERT INTO profile_question
  SELECT question_id, criteria_version_id, category_no, criterion_no, question_no, question_text, false FROM portal2.profile_question;
INSERT INTO profile_question (question_id, question_text, stub)
  SELECT question_id, 'UNKNOWN(' || question_id || ')', true
  FROM (SELECT question_id FROM portal2.profile_response UNION SELECT question_id FROM portal2.validation_finding) q
  WHERE question_id IS NOT NULL AND question_id NOT IN (SELECT question_id FROM portal2.profile_question);
INSERT INTO question_applicability SELECT question_id, business_type_cd, strength_cd FROM portal2.question_applicability
  WHERE question_id IN (SELECT question_id FROM portal2.profile_question);
INSERT INTO agreement_version
  SELECT agreement_version_id, agreement_cd, version_no, business_type_cd, effective_dt, text_sha256 FROM portal2.agreement_version;
INSERT INTO cbp_user SELECT cbp_user_id, display_name, role_cd, office_cd, active_ind = 'Y' FROM portal2.cbp_user;
INSERT INTO consultant_company
  SELECT consultant_company_id, name, street1, city, state_cd, postal_code, country_cd FROM portal2.consultant_company;

-- who becomes an account
CREATE TEMP TABLE account AS
  SELECT e.entity_id, copy_id(tag('entity_account|P2|model_entity'), e.entity_id, e.entity_id) AS account_id, m.security_model_id,
         p.company_profile_id, e.status_cd, e.created_at,
         CASE WHEN e.business_type_cd <> 'HWY' THEN e.business_type_cd WHEN e.border_crossed_cd IN ('MEX', 'BOTH') THEN 'HWM'
              WHEN e.border_crossed_cd = 'CAN' THEN 'HWC' ELSE 'HWY' END AS business_type_cd
  FROM portal2.model_entity e JOIN portal2.security_model m USING (security_model_id) JOIN portal2.company_profile p USING (company_profile_id);
ANALYZE account;
INSERT INTO business_type SELECT DISTINCT business_type_cd, business_type_cd, false FROM account
  WHERE business_type_cd NOT IN (SELECT business_type_cd FROM portal2.business_type);

-- logins
CREATE TEMP TABLE portal_login AS
  SELECT u.*, lower(btrim(user_name)) AS email_key,
         text_id(tag('login'), encode(sha256(convert_to(lower(btrim(user_name)), 'UTF8')), 'hex')) AS login_id
  FROM portal2.portal_user u WHERE btrim(user_name) ~ '^[^@[:space:]]+@[^@[:space:]]+$';
CREATE TEMP TABLE suspended AS
  SELECT DISTINCT l.login_id FROM portal_login l JOIN portal2.company_contact c ON c.user_id = l.user_id
  JOIN account a USING (company_profile_id) WHERE a.status_cd = 'SUSPENDED';
INSERT INTO login
  SELECT DISTINCT ON (email_key) l.login_id, email_key, user_name, salutation, first_name, middle_initial, last_name, job_title, phone, fax,
         CASE WHEN lock_reason_cd = 'COMPANY_STATUS' AND s.login_id IS NOT NULL THEN 'ACTIVE' ELSE user_status_cd END,
         CASE WHEN lock_reason_cd = 'COMPANY_STATUS' AND s.login_id IS NOT NULL THEN NULL ELSE lock_reason_cd END,
         true, last_login_at, created_at, modified_at
  FROM portal_login l LEFT JOIN suspended s USING (login_id) ORDER BY email_key, last_login_at DESC NULLS LAST, user_id;
INSERT INTO login_alias SELECT user_id::text, login_id, user_name FROM portal_login;
CREATE TEMP TABLE user_login AS SELECT user_id, login_id, user_status_cd = 'LOCKED' AND lock_reason_cd = 'COMPANY_STATUS' AS company_status FROM portal_login;
ANALYZE user_login;

-- agreements
CREATE TEMP TABLE signed AS
  WITH placed AS (
    SELECT s.signature_id, s.agreement_version_id, s.signed_at, a.entity_id, a.account_id, a.business_type_cd, a.created_at, true AS direct
    FROM portal2.agreement_signature s JOIN account a USING (entity_id)
    UNION ALL
    SELECT s.signature_id, s.agreement_version_id, s.signed_at, a.entity_id, a.account_id, a.business_type_cd, a.created_at, false
    FROM portal2.agreement_signature s JOIN account a USING (security_model_id) WHERE s.entity_id IS NULL
    UNION ALL
    SELECT s.signature_id, s.agreement_version_id, s.signed_at, a.entity_id, a.account_id, a.business_type_cd, a.created_at, false
    FROM portal2.agreement_signature s JOIN account a USING (company_profile_id) WHERE s.entity_id IS NULL AND s.security_model_id IS NULL),
  fitting AS (
    SELECT p.*, v.agreement_cd, p.direct OR v.business_type_cd IS NULL OR v.business_type_cd = p.business_type_cd AS fits
    FROM placed p JOIN portal2.agreement_version v USING (agreement_version_id))
  SELECT * FROM (SELECT f.*, bool_or(fits) OVER (PARTITION BY signature_id) AS any_fits FROM fitting f) f WHERE fits OR NOT any_fits;
CREATE TEMP TABLE act AS
  SELECT DISTINCT signature_id, once_id(tag('signature_act|P2|agreement_signature'), signature_id) AS act_id FROM signed;
INSERT INTO signature_act
  SELECT t.act_id, s.agreement_version_id, l.login_id, signer_name, signer_title, signer_email, signed_at, ip_address, s.signature_id::text
  FROM portal2.agreement_signature s JOIN act t USING (signature_id) LEFT JOIN user_login l ON l.user_id = s.signer_user_id;
INSERT INTO account_agreement
  SELECT copy_id(tag('account_agreement|P2|agreement_signature'), signature_id, entity_id), account_id,
         once_id(tag('signature_act|P2|agreement_signature'), signature_id),
         CASE WHEN created_at > signed_at THEN 'PRE_DATES_ACCOUNT' WHEN direct THEN 'DIRECT' ELSE 'INHERITED' END FROM signed;

-- identifiers
CREATE TEMP TABLE identifier AS
  SELECT i.identifier_id, a.entity_id, a.account_id, a.business_type_cd, i.identifier_type_cd, i.identifier_value, i.active_ind = 'Y' AS active,
         i.valid_from_dt, i.valid_to_dt, normal(i.identifier_value) AS value_norm
  FROM portal2.entity_identifier i JOIN account a USING (entity_id)
  UNION ALL
  SELECT i.identifier_id, a.entity_id, a.account_id, a.business_type_cd, i.identifier_type_cd, i.identifier_value, i.active_ind = 'Y',
         i.valid_from_dt, i.valid_to_dt, normal(i.identifier_value)
  FROM portal2.entity_identifier i JOIN account a USING (company_profile_id)
  WHERE i.entity_id IS NULL AND (i.identifier_type_cd IN ('EIN', 'DUNS', 'SVI') OR (i.identifier_type_cd, a.business_type_cd) IN (
    ('IOR', 'IMP'), ('MID', 'FMF'), ('SCAC', 'HWM'), ('SCAC', 'HWC'), ('SCAC', 'HWY'), ('SCAC', 'MLH'), ('SCAC', 'SEA'), ('SCAC', 'RAIL'),
    ('USDOT', 'HWM'), ('USDOT', 'HWC'), ('USDOT', 'HWY'), ('FMC', 'CON'), ('FMC', 'MPT'), ('IATA', 'AIR'), ('IATA', 'CON'), ('BOND', 'IMP'),
    ('BOND', 'AIR'), ('BOND', 'SEA'), ('BOND', 'RAIL'), ('BOND', 'CON'), ('FILER', 'BRK'), ('LICENSE', 'BRK'), ('SCT', 'MLH'), ('RFC', 'HWM'),
    ('RFC', 'HWY'), ('RFC', 'MLH'), ('RFC', 'FMF')));
INSERT INTO account_identifier
  SELECT copy_id(tag('account_identifier|P2|entity_identifier'), identifier_id, entity_id), account_id, identifier_type_cd, identifier_value,
         value_norm, btrim(identifier_value) ~ '^[0-9]{3}-[0-9]{2}-[0-9]{4}$'
           OR identifier_type_cd = 'RFC' AND upper(btrim(identifier_value)) ~ '^[A-ZÑ&]{4}[0-9]{6}[A-Z0-9Ñ&]{3}$',
         active, valid_from_dt, valid_to_dt, identifier_id::text FROM identifier;

-- accounts and groups
INSERT INTO entity_account
  WITH number AS (
    SELECT entity_id, row_number() OVER (PARTITION BY account_number ORDER BY entity_id) AS n,
           'M' || lpad(entity_id::text, greatest(9, length(entity_id::text)), '0') AS made FROM portal2.model_entity JOIN account USING (entity_id)),
  officer AS (SELECT DISTINCT company_profile_id FROM portal2.company_contact WHERE contact_type_cd = 'OFFICER' AND removed_at IS NULL),
  acting AS (
    SELECT DISTINCT a.entity_id FROM account a JOIN portal2.company_contact c USING (company_profile_id) JOIN user_login l ON l.user_id = c.user_id
    JOIN login s ON s.login_id = l.login_id
    WHERE c.contact_type_cd = 'OFFICER' AND c.removed_at IS NULL AND NOT coalesce(l.company_status AND a.status_cd = 'SUSPENDED', false)
      AND (s.status_cd = 'ACTIVE' OR s.status_cd = 'LOCKED' AND s.lock_reason_cd IN ('PASSWORD', 'IDLE'))),
  voluntary AS (SELECT DISTINCT entity_id FROM signed WHERE agreement_cd = 'VOLUNTARY'),
  carried AS (SELECT entity_id, array_agg(DISTINCT identifier_type_cd::text) AS kinds FROM identifier WHERE active GROUP BY entity_id)
  SELECT a.account_id,
         CASE WHEN btrim(coalesce(e.account_number, '')) = '' OR n.n > 1 THEN n.made || CASE WHEN EXISTS (SELECT FROM portal2.model_entity t WHERE t.account_number = n.made) THEN 'X' ELSE '' END
              ELSE e.account_number END,
         a.business_type_cd, e.sub_type_cd, p.company_name, p.dba_name, m.model_name, p.ownership_type_cd, p.business_start_dt,
         p.years_in_business_txt,
         CASE WHEN btrim(p.employee_count_txt) ~ '^([0-9]{1,9}|[0-9]{1,3}(,[0-9]{3}){1,2})$' THEN replace(btrim(p.employee_count_txt), ',', '')::integer END,
         p.employee_count_txt, p.phone, p.fax, p.website, p.company_history, e.status_cd, e.tier_cd, e.application_dt, e.certification_dt,
         e.anniversary_dt, e.last_validation_dt, e.next_validation_due_dt, e.border_crossed_cd, c.cbp_user_id, e.office_cd,
         CASE WHEN v.entity_id IS NOT NULL THEN 'SIGNED' WHEN e.status_cd IN ('APPROVED', 'CERTIFIED', 'SUSPENDED') THEN 'CONTINUED_MEMBERSHIP'
              ELSE 'NONE' END,
         CASE a.business_type_cd WHEN 'IMP' THEN k.kinds @> '{IOR,BOND}' WHEN 'BRK' THEN k.kinds @> '{FILER,LICENSE}'
              WHEN 'HWM' THEN k.kinds @> '{SCAC,USDOT}' WHEN 'HWC' THEN k.kinds @> '{SCAC,USDOT}' WHEN 'HWY' THEN k.kinds @> '{SCAC,USDOT}'
              WHEN 'SEA' THEN k.kinds @> '{SCAC}' WHEN 'RAIL' THEN k.kinds @> '{SCAC}' WHEN 'AIR' THEN k.kinds @> '{IATA}'
              WHEN 'MLH' THEN k.kinds @> '{SCT}' WHEN 'FMF' THEN k.kinds @> '{MID}' WHEN 'EXP' THEN k.kinds && '{EIN,DUNS}' ELSE true END IS TRUE,
         o.company_profile_id IS NULL, t.entity_id IS NOT NULL,
         e.status_cd NOT IN ('REJECTED', 'INELIGIBLE', 'REMOVED', 'WITHDRAWN') AND m.deleted_ind <> 'Y' AND p.deleted_ind <> 'Y',
         m.deleted_ind = 'Y' OR p.deleted_ind = 'Y', p.company_profile_id, p.created_at, p.modified_at, m.security_model_id, m.origin_cd,
         m.origin_model_id, m.effective_at, m.modified_at, e.entity_id, e.created_at, e.modified_at
  FROM account a JOIN portal2.model_entity e USING (entity_id) JOIN portal2.security_model m ON m.security_model_id = a.security_model_id
  JOIN portal2.company_profile p ON p.company_profile_id = a.company_profile_id JOIN number n USING (entity_id)
  LEFT JOIN officer o ON o.company_profile_id = a.company_profile_id LEFT JOIN voluntary v USING (entity_id) LEFT JOIN acting t USING (entity_id)
  LEFT JOIN carried k USING (entity_id) LEFT JOIN portal2.cbp_user c ON c.cbp_user_id = e.scss_cbp_user_id;
INSERT INTO account_group
  SELECT once_id(tag('account_group|P2|trade_organization'), trade_org_id), 'TRADE_ORG', trade_org_id::text, org_name, created_at
  FROM portal2.trade_organization
  UNION ALL
  SELECT once_id(tag('account_group|P2|company_profile'), company_profile_id), 'COMPANY_PROFILE', company_profile_id::text, company_name, created_at
  FROM portal2.company_profile WHERE company_profile_id IN (SELECT company_profile_id FROM account)
  UNION ALL
  SELECT once_id(tag('account_group|P2|security_model'), security_model_id), 'SECURITY_MODEL', security_model_id::text, model_name, effective_at
  FROM portal2.security_model WHERE security_model_id IN (SELECT security_model_id FROM account);
INSERT INTO account_group_member
  SELECT once_id(tag('account_group|P2|trade_organization'), o.trade_org_id), a.account_id
  FROM account a JOIN portal2.company_profile p USING (company_profile_id) JOIN portal2.trade_organization o USING (trade_org_id)
  UNION ALL SELECT once_id(tag('account_group|P2|company_profile'), company_profile_id), account_id FROM account
  UNION ALL SELECT once_id(tag('account_group|P2|security_model'), security_model_id), account_id FROM account;

-- people
INSERT INTO account_contact
  WITH first AS (
    SELECT contact_id, row_number() OVER (PARTITION BY company_profile_id ORDER BY modified_at DESC, contact_id) AS n
    FROM portal2.company_contact WHERE primary_poc_ind = 'Y' AND removed_at IS NULL)
  SELECT copy_id(tag('account_contact|P2|company_contact'), c.contact_id, a.entity_id), a.account_id, l.login_id, 'CTPAT', c.contact_type_cd,
         c.primary_poc_ind = 'Y' AND coalesce(f.n, 1) = 1, c.admin_ind = 'Y', c.ctpat_mail_ind = 'Y', c.first_name, c.last_name, NULL, NULL, c.email,
         c.phone, k.consultant_company_id, CASE WHEN l.company_status AND a.status_cd = 'SUSPENDED' THEN 'COMPANY_STATUS' END,
         c.added_at, c.removed_at, c.modified_at, 'P2', c.contact_id::text
  FROM portal2.company_contact c JOIN account a USING (company_profile_id) LEFT JOIN first f USING (contact_id)
  LEFT JOIN user_login l ON l.user_id = c.user_id LEFT JOIN portal2.consultant_company k USING (consultant_company_id);

-- what an account holds
INSERT INTO account_address
  SELECT copy_id(tag('account_address|P2|company_address'), address_id, entity_id), account_id, address_type_cd, street1, street2, city, state_cd,
         postal_code, country_cd, mailing_ind = 'Y', primary_ind = 'Y', modified_at, address_id::text
  FROM portal2.company_address JOIN account USING (company_profile_id);
INSERT INTO account_status_history
  SELECT copy_id(tag('account_status_history|P2|entity_status_history'), history_id, a.entity_id), account_id, h.status_cd, h.tier_cd, from_at, to_at,
         reason_txt, c.cbp_user_id, history_id::text
  FROM portal2.entity_status_history h JOIN account a USING (entity_id) LEFT JOIN portal2.cbp_user c ON c.cbp_user_id = h.set_by_cbp_user_id;
INSERT INTO account_country_of_origin SELECT account_id, rank_no, country_cd FROM portal2.importer_country_of_origin JOIN account USING (entity_id);
INSERT INTO account_highway_crossing SELECT account_id, port_cd FROM portal2.highway_crossing JOIN account USING (entity_id);
INSERT INTO account_consolidator_mode SELECT account_id, mode_cd FROM portal2.consolidator_mode JOIN account USING (entity_id);
INSERT INTO account_eligibility_answer
  SELECT account_id, catalog_version, question_no, answer_cd, answered_at FROM portal2.eligibility_answer JOIN account USING (entity_id);
INSERT INTO vetting_record
  SELECT copy_id(tag('vetting_record|P2|vetting_record'), vetting_id, entity_id), account_id, sealed_content, v.created_at, vetting_id::text
  FROM portal2.vetting_record v JOIN account USING (entity_id);
INSERT INTO account_program
  SELECT copy_id(tag('account_program|P2|program_participation'), participation_id, a.entity_id), a.account_id, program_cd, p.status_cd, t.act_id,
         since_dt, participation_id::text
  FROM portal2.program_participation p
  JOIN account a ON a.entity_id = p.entity_id OR p.entity_id IS NULL AND a.company_profile_id = p.company_profile_id
  LEFT JOIN act t ON t.signature_id = p.consent_signature_id;

-- security profiles and responses
CREATE TEMP TABLE yearly AS
  SELECT s.security_profile_id, a.entity_id, a.account_id, a.business_type_cd,
         copy_id(tag('security_profile|P2|security_profile'), s.security_profile_id, a.entity_id) AS id
  FROM portal2.security_profile s JOIN account a USING (security_model_id);
ANALYZE yearly;
INSERT INTO security_profile
  SELECT y.id, y.account_id, v.criteria_version_id, profile_year, status_cd, window_opens_dt, due_dt, adjusted(due_dt), submitted_at, l.login_id,
         reviewed_at, c.cbp_user_id, current_ind = 'Y', s.security_profile_id::text
  FROM portal2.security_profile s JOIN yearly y USING (security_profile_id) LEFT JOIN portal2.criteria_version v USING (criteria_version_id)
  LEFT JOIN user_login l ON l.user_id = s.submitted_by_user_id LEFT JOIN portal2.cbp_user c ON c.cbp_user_id = s.reviewed_by_cbp_user_id;
CREATE TEMP TABLE superseded AS
  SELECT response_id FROM (
    SELECT response_id, row_number() OVER (PARTITION BY security_profile_id, question_id ORDER BY modified_at DESC, response_id DESC) AS n
    FROM portal2.profile_response JOIN (
      SELECT security_profile_id, question_id FROM portal2.profile_response GROUP BY security_profile_id, question_id HAVING count(*) > 1
    ) twice USING (security_profile_id, question_id)) r WHERE n > 1;
INSERT INTO profile_response
  SELECT copy_id(tag('profile_response|P2|profile_response'), r.response_id, y.entity_id), y.account_id, y.id, r.question_id, r.response_text,
         r.completion_cd, r.review_cd, coalesce(q.strength_cd, 'NOT_APPLICABLE'), s.response_id IS NOT NULL, r.modified_at, l.login_id,
         r.response_id::text
  FROM portal2.profile_response r JOIN yearly y USING (security_profile_id)
  LEFT JOIN portal2.question_applicability q ON q.question_id = r.question_id AND q.business_type_cd = y.business_type_cd
  LEFT JOIN superseded s USING (response_id) LEFT JOIN user_login l ON l.user_id = r.modified_by_user_id;
INSERT INTO response_comment
  SELECT copy_id(tag('response_comment|P2|response_comment'), comment_id, y.entity_id),
         copy_id(tag('profile_response|P2|profile_response'), r.response_id, y.entity_id), u.cbp_user_id, coalesce(internal_ind, 'Y') <> 'N',
         comment_text, c.created_at, comment_id::text
  FROM portal2.response_comment c JOIN portal2.profile_response r USING (response_id) JOIN yearly y USING (security_profile_id)
  LEFT JOIN portal2.cbp_user u ON u.cbp_user_id = c.cbp_user_id;

-- validations
CREATE TEMP TABLE validated AS
  SELECT v.validation_id, a.entity_id, a.account_id FROM portal2.validation v JOIN account a USING (entity_id)
  UNION ALL SELECT v.validation_id, a.entity_id, a.account_id FROM portal2.validation v JOIN account a USING (security_model_id)
  WHERE v.entity_id IS NULL
  UNION ALL SELECT v.validation_id, a.entity_id, a.account_id FROM portal2.validation v JOIN account a USING (company_profile_id)
  WHERE v.entity_id IS NULL AND v.security_model_id IS NULL;
ANALYZE validated;
INSERT INTO validation
  SELECT copy_id(tag('validation|P2|validation'), validation_id, t.entity_id), t.account_id, validation_type_cd, status_cd, initiated_dt, closed_dt,
         report_sent_at, approved_at, report_summary, c.cbp_user_id, validation_id::text
  FROM portal2.validation v JOIN validated t USING (validation_id) LEFT JOIN portal2.cbp_user c ON c.cbp_user_id = v.lead_cbp_user_id;
INSERT INTO validation_visit
  SELECT copy_id(tag('validation_visit|P2|validation_visit'), visit_id, entity_id), copy_id(tag('validation|P2|validation'), validation_id, entity_id),
         visit_name, start_dt, end_dt, site_name, street1, city, country_cd, visit_id::text
  FROM portal2.validation_visit JOIN validated USING (validation_id);
INSERT INTO validation_finding
  SELECT copy_id(tag('validation_finding|P2|validation_finding'), finding_id, entity_id),
         copy_id(tag('validation|P2|validation'), validation_id, entity_id), question_id, finding_kind_cd, finding_kind_cd = 'INTERNAL', finding_text,
         due_dt, adjusted(due_dt), status_cd, finding_id::text
  FROM portal2.validation_finding JOIN validated USING (validation_id);
INSERT INTO finding_response
  SELECT copy_id(tag('finding_response|P2|finding_response'), finding_response_id, entity_id),
         copy_id(tag('validation_finding|P2|validation_finding'), finding_id, entity_id), seq_no, response_text, l.login_id, submitted_at, review_cd,
         finding_response_id::text
  FROM portal2.finding_response r JOIN portal2.validation_finding f USING (finding_id) JOIN validated USING (validation_id)
  LEFT JOIN user_login l ON l.user_id = r.submitted_by_user_id;

-- status verification
INSERT INTO svi_membership
  SELECT a.account_id, t.act_id, t.act_id IS NOT NULL AND a.status_cd = 'CERTIFIED', auto_accept_ind = 'Y', coalesce(share_more_ind = 'Y', false),
         s.company_profile_id::text
  FROM portal2.svi_setting s JOIN account a USING (company_profile_id) LEFT JOIN act t ON t.signature_id = s.consent_signature_id;
INSERT INTO svi_link
  WITH pair AS (
    SELECT l.*, a.entity_id AS one, a.account_id AS monitor_id, b.entity_id AS other, b.account_id AS monitored_id
    FROM portal2.svi_link l
    JOIN (SELECT link_id, a.* FROM portal2.svi_link JOIN account a ON entity_id = monitor_entity_id
          UNION ALL SELECT link_id, a.* FROM portal2.svi_link JOIN account a ON security_model_id = monitor_model_id
          WHERE monitor_entity_id IS NULL
          UNION ALL SELECT link_id, a.* FROM portal2.svi_link JOIN account a ON company_profile_id = monitor_profile_id
          WHERE monitor_entity_id IS NULL AND monitor_model_id IS NULL) a USING (link_id)
    JOIN (SELECT link_id, b.* FROM portal2.svi_link JOIN account b ON entity_id = monitored_entity_id
          UNION ALL SELECT link_id, b.* FROM portal2.svi_link JOIN account b ON security_model_id = monitored_model_id
          WHERE monitored_entity_id IS NULL AND b.created_at <= coalesce(responded_at, requested_at)
          UNION ALL SELECT link_id, b.* FROM portal2.svi_link JOIN account b ON company_profile_id = monitored_profile_id
          WHERE monitored_entity_id IS NULL AND monitored_model_id IS NULL AND b.created_at <= coalesce(responded_at, requested_at)) b USING (link_id)
    WHERE a.entity_id <> b.entity_id)
  SELECT text_id(tag('svi_link|P2|svi_link'), encode(sha256(convert_to(concat_ws('|', link_id, one, other), 'UTF8')), 'hex')), monitor_id,
         monitored_id, request_status_cd,
         request_status_cd = 'ACCEPTED'
           AND row_number() OVER (PARTITION BY one, other, request_status_cd ORDER BY responded_at NULLS LAST, link_id) > 1,
         requested_at, l.login_id, responded_at, ended_at, coalesce(blocked_ind = 'Y', false), link_id::text
  FROM pair LEFT JOIN user_login l ON l.user_id = requested_by_user_id;

-- messages, notes, tasks, events
CREATE TEMP TABLE threaded AS
  SELECT t.thread_id, a.account_id, a.entity_id FROM portal2.message_thread t JOIN account a USING (security_model_id)
  UNION ALL SELECT t.thread_id, a.account_id, a.entity_id FROM portal2.message_thread t JOIN account a USING (company_profile_id)
  WHERE t.security_model_id IS NULL;
ANALYZE threaded;
INSERT INTO message_thread
  SELECT once_id(tag('message_thread|P2|message_thread'), thread_id), subject, created_at, thread_id::text
  FROM portal2.message_thread WHERE thread_id IN (SELECT thread_id FROM threaded);
INSERT INTO thread_account SELECT once_id(tag('message_thread|P2|message_thread'), thread_id), account_id FROM threaded;
INSERT INTO message
  SELECT once_id(tag('message|P2|message'), message_id), once_id(tag('message_thread|P2|message_thread'), thread_id), l.login_id, c.cbp_user_id,
         body, sent_at, message_id::text
  FROM portal2.message m LEFT JOIN user_login l ON l.user_id = m.from_user_id LEFT JOIN portal2.cbp_user c ON c.cbp_user_id = m.from_cbp_user_id
  WHERE thread_id IN (SELECT thread_id FROM threaded);
CREATE TEMP TABLE noted AS
  SELECT n.note_id, a.account_id FROM portal2.internal_note n JOIN account a USING (entity_id)
  UNION ALL SELECT n.note_id, a.account_id FROM portal2.internal_note n JOIN account a USING (company_profile_id) WHERE n.entity_id IS NULL;
INSERT INTO internal_note
  SELECT once_id(tag('internal_note|P2|internal_note'), note_id), note_type_cd, note_text, c.cbp_user_id, created_at, note_id::text
  FROM portal2.internal_note LEFT JOIN portal2.cbp_user c USING (cbp_user_id) WHERE note_id IN (SELECT note_id FROM noted);
INSERT INTO note_account SELECT once_id(tag('internal_note|P2|internal_note'), note_id), account_id FROM noted;
INSERT INTO portal_task
  SELECT copy_id(tag('portal_task|P2|portal_task'), task_id, a.entity_id), a.account_id, task_kind_cd, due_dt, adjusted(due_dt), done_at, task_id::text
  FROM portal2.portal_task JOIN account a USING (entity_id)
  UNION ALL
  SELECT copy_id(tag('portal_task|P2|portal_task'), task_id, a.entity_id), a.account_id, task_kind_cd, due_dt, adjusted(due_dt), done_at, task_id::text
  FROM portal2.portal_task t JOIN account a USING (company_profile_id) WHERE t.entity_id IS NULL;
CREATE TEMP TABLE traced AS
  SELECT e.event_id, a.account_id FROM portal2.event_history e JOIN account a USING (entity_id)
  UNION ALL SELECT e.event_id, a.account_id FROM portal2.event_history e JOIN account a USING (company_profile_id) WHERE e.entity_id IS NULL;
ANALYZE traced;
INSERT INTO event_history
  SELECT once_id(tag('event_history|P2|event_history'), event_id), event_type_cd, new_value, updated_by_txt, updated_local,
         moment AT TIME ZONE 'America/New_York' AT TIME ZONE 'UTC',
         coalesce(moment AT TIME ZONE 'America/New_York' AT TIME ZONE 'America/New_York' = moment, false), 'P2', event_id::text
  FROM (SELECT *, CASE WHEN updated_local ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$' AND pg_input_is_valid(updated_local, 'timestamp')
                       THEN updated_local::timestamp END AS moment FROM portal2.event_history) e
  WHERE event_id IN (SELECT event_id FROM traced);
INSERT INTO event_account SELECT once_id(tag('event_history|P2|event_history'), event_id), account_id FROM traced;

-- Trade Compliance: by profile where it has one importer, else by the numbers that both sides have
CREATE TEMP TABLE importer AS
  WITH candidate AS (
    SELECT t.tc_account_id, a.entity_id, a.account_id, p.company_profile_id IS NOT NULL AS named
    FROM tc.tc_account t LEFT JOIN portal2.company_profile p USING (company_profile_id)
    JOIN account a ON a.business_type_cd = 'IMP' AND (a.company_profile_id = p.company_profile_id OR p.company_profile_id IS NULL)),
  common AS (
    SELECT o.tc_account_id, i.entity_id, count(DISTINCT i.value_norm) AS n FROM tc.tc_ior o
    JOIN identifier i ON i.value_norm = normal(o.ior_value) WHERE o.active_ind = 'Y' AND i.active AND i.identifier_type_cd = 'IOR' AND i.value_norm <> ''
    GROUP BY o.tc_account_id, i.entity_id),
  ranked AS (
    SELECT c.*, coalesce(n, 0) AS n, count(*) OVER (PARTITION BY tc_account_id) AS candidates,
           rank() OVER (PARTITION BY tc_account_id ORDER BY coalesce(n, 0) DESC) AS place
    FROM candidate c LEFT JOIN common USING (tc_account_id, entity_id)),
  best AS (SELECT *, count(*) OVER (PARTITION BY tc_account_id) AS tied FROM ranked WHERE place = 1)
  SELECT tc_account_id, entity_id, account_id, copy_id(tag('tc_program|TC|tc_account'), tc_account_id, entity_id) AS id
  FROM best WHERE named AND candidates = 1 OR n > 0 AND tied = 1;
INSERT INTO tc_program
  SELECT i.id, i.account_id, tc_account_number, account_name, application_status_cd, account_status_cd, submitted_dt, activated_dt, mou_signed_by,
         mou_signed_at, account_manager, modified_at, tc_account_id::text FROM tc.tc_account JOIN importer i USING (tc_account_id);
INSERT INTO tc_ior SELECT i.id, ior_value, active_ind = 'Y' FROM tc.tc_ior JOIN importer i USING (tc_account_id);
INSERT INTO tc_questionnaire_answer
  SELECT i.id, question_no, answer_text, answered_at FROM tc.tc_questionnaire_answer JOIN importer i USING (tc_account_id);
CREATE TEMP TABLE tc_person AS
  SELECT c.*, i.entity_id, i.account_id, lower(btrim(email)) AS email_key,
         CASE WHEN btrim(email) ~ '^[^@[:space:]]+@[^@[:space:]]+$'
              THEN text_id(tag('login'), encode(sha256(convert_to(lower(btrim(email)), 'UTF8')), 'hex')) END AS login_id
  FROM tc.tc_contact c JOIN importer i USING (tc_account_id);
INSERT INTO login (login_id, email_key, email_display, job_title, status_cd, activation_required)
  SELECT DISTINCT ON (email_key) login_id, email_key, email, job_title, 'ACTIVE', true FROM tc_person
  WHERE login_id IS NOT NULL AND login_id NOT IN (SELECT login_id FROM login) ORDER BY email_key, tc_contact_id;
INSERT INTO account_contact (contact_id, account_id, login_id, scope_cd, contact_type_cd, primary_poc, admin, receives_mail, full_name, job_title,
                             email, legacy_portal_cd, legacy_key)
  SELECT copy_id(tag('account_contact|TC|tc_contact'), tc_contact_id, entity_id), account_id, login_id, 'TC', contact_type_cd, false, false,
         tc_mail_ind = 'Y', full_name, job_title, email, 'TC', tc_contact_id::text FROM tc_person;
INSERT INTO tc_annual_notification
  SELECT copy_id(tag('tc_annual_notification|TC|tc_annual_notification'), anl_id, entity_id), i.id, anl_year, due_dt, adjusted(due_dt), submitted_at,
         submitted_by_email, status_cd, anl_id::text FROM tc.tc_annual_notification JOIN importer i USING (tc_account_id);
INSERT INTO tc_anl_item
  SELECT copy_id(tag('tc_annual_notification|TC|tc_annual_notification'), anl_id, entity_id), section_cd, item_text
  FROM tc.tc_anl_item JOIN tc.tc_annual_notification USING (anl_id) JOIN importer USING (tc_account_id);
INSERT INTO tc_message
  SELECT copy_id(tag('tc_message|TC|tc_message'), tc_message_id, entity_id), i.id, from_email, body, sent_at, tc_message_id::text
  FROM tc.tc_message JOIN importer i USING (tc_account_id);
INSERT INTO event_history
  SELECT once_id(tag('event_history|TC|tc_event'), tc_event_id), event_type_cd, new_value, NULL, NULL, occurred_at, true, 'TC', tc_event_id::text
  FROM tc.tc_event WHERE tc_account_id IN (SELECT tc_account_id FROM importer);
INSERT INTO event_account
  SELECT once_id(tag('event_history|TC|tc_event'), tc_event_id), account_id FROM tc.tc_event JOIN importer USING (tc_account_id);

-- documents: the accounts of the model and of what the links lead to, else of the profile
CREATE TEMP TABLE content AS
  SELECT 'P2' AS portal, document_id AS id, encode(sha256(content), 'hex') AS sha256, octet_length(content) AS size FROM portal2.document_content
  UNION ALL SELECT 'TC', tc_document_id, encode(sha256(content), 'hex'), octet_length(content) FROM tc.tc_document_content;
INSERT INTO stored_object
  SELECT sha256, min(size), 'sha256/' || substr(sha256, 1, 2) || '/' || sha256 FROM content GROUP BY sha256;
CREATE TEMP TABLE linked AS
  WITH target AS (
    SELECT l.*, y.entity_id, copy_id(tag('profile_response|P2|profile_response'), l.target_id, y.entity_id) AS id
    FROM portal2.document_link l JOIN portal2.profile_response r ON r.response_id = l.target_id JOIN yearly y USING (security_profile_id)
    WHERE target_cd = 'RESPONSE'
    UNION ALL
    SELECT l.*, v.entity_id, copy_id(tag('finding_response|P2|finding_response'), l.target_id, v.entity_id)
    FROM portal2.document_link l JOIN portal2.finding_response r ON r.finding_response_id = l.target_id
    JOIN portal2.validation_finding f USING (finding_id) JOIN validated v USING (validation_id) WHERE target_cd = 'FINDING_RESPONSE'
    UNION ALL
    SELECT l.*, v.entity_id, copy_id(tag('validation|P2|validation'), l.target_id, v.entity_id)
    FROM portal2.document_link l JOIN validated v ON v.validation_id = l.target_id WHERE target_cd = 'VALIDATION'
    UNION ALL
    SELECT l.*, s.entity_id, copy_id(tag('account_agreement|P2|agreement_signature'), l.target_id, s.entity_id)
    FROM portal2.document_link l JOIN signed s ON s.signature_id = l.target_id WHERE target_cd = 'SIGNATURE'
    UNION ALL
    SELECT l.*, t.entity_id, once_id(tag('message|P2|message'), l.target_id)
    FROM portal2.document_link l JOIN portal2.message m ON m.message_id = l.target_id JOIN threaded t USING (thread_id) WHERE target_cd = 'MESSAGE'
    UNION ALL
    SELECT l.*, a.entity_id, a.account_id
    FROM portal2.document_link l JOIN account a ON a.security_model_id = l.target_id WHERE target_cd = 'MODEL'),
  own AS (
    SELECT d.document_id, coalesce(m.company_profile_id, d.company_profile_id, f.company_profile_id) AS company_profile_id
    FROM portal2.document d LEFT JOIN portal2.security_model m USING (security_model_id)
    LEFT JOIN (SELECT DISTINCT ON (document_id) document_id, company_profile_id FROM target JOIN account USING (entity_id)
               ORDER BY document_id, target_cd, target_id) f USING (document_id))
  SELECT t.* FROM target t JOIN account a USING (entity_id) JOIN own o USING (document_id) WHERE a.company_profile_id = o.company_profile_id;
CREATE TEMP TABLE filed AS
  SELECT document_id, entity_id FROM portal2.document JOIN account USING (security_model_id) UNION SELECT document_id, entity_id FROM linked;
ANALYZE filed;
CREATE TEMP TABLE shelved AS
  SELECT document_id, entity_id, false AS inherited FROM filed
  UNION ALL
  SELECT d.document_id, a.entity_id, true FROM portal2.document d JOIN account a USING (company_profile_id)
  WHERE d.document_id NOT IN (SELECT document_id FROM filed)
  UNION ALL
  SELECT d.document_id, NULL, false FROM portal2.document d WHERE d.company_profile_id IS NULL AND d.library_cd = 'PUBLIC'
  AND d.document_id NOT IN (SELECT document_id FROM filed);
ANALYZE shelved;
INSERT INTO document
  SELECT CASE WHEN f.entity_id IS NULL THEN once_id(tag('document|P2|document'), d.document_id)
              ELSE copy_id(tag('document|P2|document'), d.document_id, f.entity_id) END,
         a.account_id, c.sha256,
         CASE WHEN c.id IS NULL THEN 'MISSING' WHEN d.sha256_hex <> c.sha256 THEN 'DIGEST_MISMATCH' WHEN d.size_bytes <> c.size THEN 'SIZE_MISMATCH'
              ELSE 'PRESENT' END,
         library_cd, document_type_cd, file_name, mime_type, size_bytes, sha256_hex, version_no,
         CASE WHEN b.document_id IS NOT NULL THEN copy_id(tag('document|P2|document'), b.document_id, b.entity_id) END, l.login_id, u.cbp_user_id, NULL,
         uploaded_at, f.inherited, deleted_ind = 'Y', 'P2', d.document_id::text
  FROM portal2.document d JOIN shelved f USING (document_id) LEFT JOIN account a USING (entity_id)
  LEFT JOIN content c ON c.portal = 'P2' AND c.id = d.document_id
  LEFT JOIN shelved b ON b.document_id = d.previous_document_id AND b.entity_id = f.entity_id AND b.document_id <> d.document_id
  LEFT JOIN user_login l ON l.user_id = d.uploaded_by_user_id LEFT JOIN portal2.cbp_user u ON u.cbp_user_id = d.uploaded_by_cbp_user_id;
INSERT INTO document_link
  SELECT copy_id(tag('document|P2|document'), document_id, entity_id), target_cd, id, linked_at FROM linked;
INSERT INTO document
  SELECT copy_id(tag('document|TC|tc_document'), tc_document_id, i.entity_id), i.account_id, c.sha256,
         CASE WHEN c.id IS NULL THEN 'MISSING' WHEN d.sha256_hex <> c.sha256 THEN 'DIGEST_MISMATCH' WHEN d.size_bytes <> c.size THEN 'SIZE_MISMATCH'
              ELSE 'PRESENT' END,
         'PARTNER', document_type_cd, file_name, mime_type, size_bytes, sha256_hex, version_no, NULL, l.login_id, NULL, uploaded_by_email, uploaded_at,
         false, false, 'TC', tc_document_id::text
  FROM tc.tc_document d JOIN importer i USING (tc_account_id) LEFT JOIN content c ON c.portal = 'TC' AND c.id = tc_document_id
  LEFT JOIN login l ON l.email_key = lower(btrim(d.uploaded_by_email));
INSERT INTO tc_anl_document
  SELECT copy_id(tag('tc_annual_notification|TC|tc_annual_notification'), anl_id, i.entity_id), copy_id(tag('document|TC|tc_document'), d.tc_document_id, i.entity_id)
  FROM tc.tc_anl_document JOIN tc.tc_annual_notification n USING (anl_id) JOIN importer i USING (tc_account_id)
  JOIN tc.tc_document d ON d.tc_document_id = tc_anl_document.tc_document_id AND d.tc_account_id = n.tc_account_id;
