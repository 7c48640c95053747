use super::*;
use crate::testing;

async fn read(test: &testing::TestStore, file: FileId) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut n = 0;
    while let Some(bytes) = chunk(&test.store, test.organization, file, n).await.unwrap() {
        whole.extend(bytes);
        n += 1;
    }
    whole
}

async fn rows(test: &testing::TestStore) -> i64 {
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    let rows = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM files) + (SELECT count(*) FROM file_chunks) AS "n!""#
    );
    rows.fetch_one(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn a_file_reads_back_as_it_was_written_whatever_the_pieces_it_came_in() {
    let test = testing::store().await;
    let ctx = Ctx::system(test.organization, "test");
    for size in [
        0,
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        3 * CHUNK_BYTES + 7,
    ] {
        let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let mut upload = Upload::begin(&test.store, &ctx, "people.csv", u64::MAX)
            .await
            .unwrap();
        for piece in bytes.chunks(300_007) {
            upload.write(piece).await.unwrap();
        }
        let file = upload.finish().await.unwrap();
        assert_eq!(file.size, size as u64);
        assert_eq!(file.sha256[..], Sha256::digest(&bytes)[..]);
        assert!(read(&test, file.id).await == bytes, "{size} bytes");
    }
}

#[tokio::test]
async fn a_file_that_grows_too_large_is_refused_and_nothing_of_it_stays() {
    let test = testing::store().await;
    let ctx = Ctx::system(test.organization, "test");
    let mut upload = Upload::begin(&test.store, &ctx, "x", CHUNK_BYTES as u64 + 10)
        .await
        .unwrap();
    upload.write(&vec![1; CHUNK_BYTES + 10]).await.unwrap();
    assert_eq!(upload.write(&[1]).await.unwrap_err().code, "file.too_large");
    upload.discard().await.unwrap();
    assert_eq!(rows(&test).await, 0);
}

#[tokio::test]
async fn an_upload_that_never_ended_is_swept_after_hours_and_a_complete_file_that_belongs_to_nothing_after_a_day()
 {
    let test = testing::store().await;
    let ctx = Ctx::system(test.organization, "test");
    let mut cut_off = Upload::begin(&test.store, &ctx, "x", 9_999_999).await.unwrap();
    cut_off.write(&vec![1; CHUNK_BYTES + 10]).await.unwrap();
    drop(cut_off);
    let kept = Upload::begin(&test.store, &ctx, "y", 9)
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    assert!(!sweep(&test.store).await.unwrap());
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    sqlx::query!("UPDATE files SET created_at = now() - interval '7 hours'")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(sweep(&test.store).await.unwrap());
    assert!(!sweep(&test.store).await.unwrap());
    assert_eq!(rows(&test).await, 1);
    assert!(read(&test, kept.id).await.is_empty());
    assert!(!forget_untaken(&test.store).await.unwrap());
    let taken = "INSERT INTO imports (id, organization_id, kind, mode, file_id)
         SELECT gen_random_uuid(), organization_id, 'users', 'preview', id FROM files";
    test.sql("UPDATE files SET created_at = now() - interval '25 hours'")
        .await;
    test.sql(taken).await;
    assert!(!forget_untaken(&test.store).await.unwrap(), "an import shows it");
    test.sql("DELETE FROM imports").await;
    assert!(forget_untaken(&test.store).await.unwrap());
    assert_eq!(rows(&test).await, 0);
}
