using System.Text.Json;
using LlmRL.Tokenization;

namespace LlmRL.Tests.Tokenization;

/// <summary>Ids and texts made with Hugging Face's tokenizers, with sentencepiece, and by llama.cpp.</summary>
public class ReferenceTests
{
    [SharedTheory("data/tok/reference")]
    [InlineData("gpt2", "tok/gpt2")]
    [InlineData("gpt2", "tok/gpt2/encoder.json")]
    [InlineData("qwen2_5", "tok/qwen2_5")]
    [InlineData("spm_llama2", "tok/llama2")]
    [InlineData("spm_babyllama_tok105", "weights/babyllama105/tok105.model")]
    public void Every_reference_text_encodes_and_decodes_as_recorded(string reference, string spec)
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/" + spec));
        var count = 0;
        foreach (var line in File.ReadLines(Shared.Path($"data/tok/reference/ref_{reference}.jsonl")))
        {
            using var row = JsonDocument.Parse(line);
            var text = row.RootElement.GetProperty("text").GetString()!;
            var ids = Ids(row.RootElement.GetProperty("ids"));
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(row.RootElement.GetProperty("decoded").GetString(), tokenizer.Decode(ids, skipSpecialTokens: false));
            if (row.RootElement.TryGetProperty("ids_special", out var special))
                Assert.Equal(Ids(special), tokenizer.Encode(text, addSpecialTokens: true));
            count++;
        }

        Assert.Equal(393, count);
    }

    [SharedTheory("data/tok/llamacpp_ref")]
    [InlineData("gpt-2", "tok/gpt2")]
    [InlineData("qwen2", "tok/qwen2_5")]
    [InlineData("llama-spm", "tok/llama2")]
    public void Every_case_of_llama_cpp_encodes_as_recorded(string name, string spec)
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/" + spec));
        var texts = File.ReadAllText(Shared.Path($"data/tok/llamacpp_ref/{name}.inp")).Split("\n__ggml_vocab_test__\n");
        var rows = File.ReadAllLines(Shared.Path($"data/tok/llamacpp_ref/{name}.out"));
        Assert.True(rows.Length >= 46, $"{rows.Length} cases");
        for (var i = 0; i < rows.Length; i++)
            Assert.Equal(rows[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse), tokenizer.Encode(texts[i]));
    }

    private static int[] Ids(JsonElement element) => [.. element.EnumerateArray().Select(e => e.GetInt32())];
}
