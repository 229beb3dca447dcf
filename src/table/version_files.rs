//! `version_files`: one row per file of a version and page that showed it.

table! {
    /// One row per file of a version and page that showed it.
    "version_files", key ["version_id", "id"], of "model_versions" by ["version_id"];
    version_id: Id, "The version that lists the file.";
    id: Id, "The file's id; a file shared by versions (a VAE) is listed by each.";
    model_id: Id, "The model of that version.";
    name: Long, "File name.";
    override_name: Long, "File name that its creator gave it.";
    r#type: Text, "Model, Pruned Model, VAE, Config, Training Data, ... (an open list).";
    is_primary: Bool, "The file a plain download gives.";
    is_required: Bool, "The version cannot be used without it.";
    size_kb: Float, "Size in KB of 1024 bytes.";
    format: Text, "SafeTensor, PickleTensor, GGUF, Diffusers, ONNX, ...";
    size: Text, "full or pruned.";
    fp: Text, "fp32, fp16, bf16, fp8, nf4, ...";
    quant_type: Text, "Q8_0, Q4_K_M, ... for quantized files.";
    pickle_scan_result: Text, "Pending, Success, Danger or Error.";
    pickle_scan_message: Text, "What the pickle scan found.";
    virus_scan_result: Text, "Pending, Success, Danger or Error.";
    virus_scan_message: Text, "What the virus scan found.";
    scanned_at: Time, "When it was scanned.";
    download_url: Long, "Where it is downloaded.";
    extra: Long, "JSON object of what fits no column: new keys, and values that no column takes; null when there is none.";
}
