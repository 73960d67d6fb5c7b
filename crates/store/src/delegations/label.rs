//! Finding nodes by what their label contains.

use std::collections::{BTreeSet, HashMap};

use subgrant_domain::{AttributeText, NodePath};

use super::{Place, Span};
use crate::{LockedTx, Result, TenantTx};

/// How many characters of a label are looked up at once.
const GRAM_CHARS: usize = 6;

/// How many of a text's parts are tried for the rarest.
const GRAMS_TRIED: usize = 16;

/// How many of a gram's nodes are counted to tell a rare one.
const COUNTED: i64 = 1_000;

/// How many grams that begin alike are gone through together.
const ALIKE: usize = 50;

/// Enters a node's label into the index of labels.
pub async fn index_label(tx: &mut LockedTx, path: &NodePath, label: &AttributeText) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let (grams, place): (Vec<_>, _) = (grams(label.as_str()).into_iter().collect(), Place::of(path));
    sqlx::query!(
        "INSERT INTO label_grams (tenant_id, gram, place)
         SELECT $1, gram, $2 FROM unnest($3::text[]) AS gram ON CONFLICT DO NOTHING",
        tenant,
        place.as_bytes(),
        &grams
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The same for several nodes.
pub(super) async fn index_labels(tx: &mut LockedTx, nodes: &[(&NodePath, &AttributeText)]) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let (mut all, mut places) = (Vec::new(), Vec::new());
    for (path, label) in nodes {
        for gram in grams(label.as_str()) {
            all.push(gram);
            places.push(Place::of(path).as_bytes().to_vec());
        }
    }
    sqlx::query!(
        "INSERT INTO label_grams (tenant_id, gram, place)
         SELECT $1, gram, place FROM unnest($2::text[], $3::bytea[]) AS new (gram, place) ON CONFLICT DO NOTHING",
        tenant,
        &all,
        &places
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes a node's former label out of the index of labels. Whoever changes a label calls this, then [`index_label`].
pub async fn forget_label(tx: &mut LockedTx, path: &NodePath, label: &AttributeText) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let (grams, place): (Vec<_>, _) = (grams(label.as_str()).into_iter().collect(), Place::of(path));
    sqlx::query!(
        "DELETE FROM label_grams WHERE tenant_id = $1 AND place = $2 AND gram = ANY($3)",
        tenant,
        place.as_bytes(),
        &grams
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Grams of which every label with `text` has one, so that going through their nodes finds all such labels; `None` where
/// there are too many of them, and it is better to go through all nodes.
pub async fn grams_of(tx: &mut TenantTx, text: &str, span: &Span) -> Result<Option<Vec<String>>> {
    let folded = text.to_lowercase();
    if folded.chars().count() < GRAM_CHARS {
        return beginning_with(tx, &folded).await;
    }
    let mut rarest = None;
    for gram in looked_up(&folded) {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM (SELECT FROM label_grams
               WHERE tenant_id = $1 AND gram = $2 AND place >= $3 AND place < $4 LIMIT $5) g"#,
            tx.tenant().as_uuid(),
            gram,
            span.from.as_bytes(),
            span.until.as_bytes(),
            COUNTED
        )
        .fetch_one(tx.connection())
        .await?;
        if rarest.as_ref().is_none_or(|(least, _)| count < *least) {
            rarest = Some((count, gram));
        }
    }
    Ok(rarest.map(|(_, gram)| vec![gram]))
}

/// The grams that begin with a text, found by leaping from one to the next.
async fn beginning_with(tx: &mut TenantTx, text: &str) -> Result<Option<Vec<String>>> {
    // No character sorts after the last one of Unicode.
    let end = format!("{text}{}", char::MAX);
    let grams = sqlx::query_scalar!(
        r#"WITH RECURSIVE found (gram) AS (
               (SELECT gram FROM label_grams WHERE tenant_id = $1 AND gram >= $2 AND gram <= $3 ORDER BY gram LIMIT 1)
               UNION ALL
               SELECT (SELECT g.gram FROM label_grams g WHERE g.tenant_id = $1 AND g.gram > found.gram AND g.gram <= $3
                       ORDER BY g.gram LIMIT 1)
               FROM found WHERE found.gram IS NOT NULL
           ) SELECT gram AS "gram!" FROM found WHERE gram IS NOT NULL LIMIT $4"#,
        tx.tenant().as_uuid(),
        text,
        end,
        i64::try_from(ALIKE + 1).unwrap_or(i64::MAX)
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(Some(grams).filter(|grams| grams.len() <= ALIKE))
}

/// The places of a range that any of the grams names, in order; at most `limit` per gram. Also the place up to which
/// these are all, where that is not the end of the range.
pub(super) async fn places_with(
    tx: &mut TenantTx,
    grams: &[String],
    span: &Span,
    limit: usize,
) -> Result<(Vec<Place>, Option<Place>)> {
    let rows = sqlx::query!(
        r#"SELECT p.gram AS "gram!", g.place FROM unnest($2::text[]) AS p (gram) CROSS JOIN LATERAL (
               SELECT l.place FROM label_grams l
               WHERE l.tenant_id = $1 AND l.gram = p.gram AND l.place >= $3 AND l.place < $4
               ORDER BY l.place LIMIT $5) g"#,
        tx.tenant().as_uuid(),
        grams,
        span.from.as_bytes(),
        span.until.as_bytes(),
        i64::try_from(limit).unwrap_or(i64::MAX)
    )
    .fetch_all(tx.connection())
    .await?;
    let mut found: HashMap<String, Vec<Place>> = HashMap::new();
    for row in rows {
        found.entry(row.gram).or_default().push(Place::from_bytes(row.place));
    }
    // A gram with more nodes than were read ends the range for all of them.
    let until =
        found.values().filter(|places| places.len() >= limit).filter_map(|places| places.iter().max());
    let until = until.min().cloned();
    let mut places: Vec<_> = found.into_values().flatten().collect();
    places.retain(|place| until.as_ref().is_none_or(|until| place <= until));
    places.sort();
    places.dedup();
    Ok((places, until))
}

/// A text from each of its characters on, cut to a gram's length.
fn grams(label: &str) -> BTreeSet<String> {
    let folded = label.to_lowercase();
    let starts = folded.char_indices().map(|(index, _)| &folded[index..]);
    starts.map(|rest| rest.chars().take(GRAM_CHARS).collect()).collect()
}

/// Whole grams that every label with this text has, from its end on: labels that differ, differ there.
fn looked_up(folded: &str) -> Vec<String> {
    let chars: Vec<_> = folded.chars().collect();
    chars.windows(GRAM_CHARS).rev().take(GRAMS_TRIED).map(|gram| gram.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_label_contains_is_found_through_its_grams() {
        let label = "Agent: Straße №7 – köln-000123";
        let stored = grams(label);
        let chars: Vec<_> = label.chars().collect();
        for length in 1..=chars.len() {
            for part in chars.windows(length) {
                let part: String = part.iter().collect::<String>().to_lowercase();
                if length < GRAM_CHARS {
                    assert!(stored.iter().any(|gram| gram.starts_with(&part)), "{part}");
                }
                for gram in looked_up(&part) {
                    assert!(stored.contains(&gram), "{part}: {gram}");
                }
            }
        }
    }
}
