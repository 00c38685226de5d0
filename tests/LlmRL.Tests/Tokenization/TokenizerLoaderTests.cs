using LlmRL.Tokenization;

namespace LlmRL.Tests.Tokenization;

public class TokenizerLoaderTests
{
    private const string WordLevel = """
        {"added_tokens":[ADDED],"pre_tokenizer":{"type":"WhitespaceSplit"},
        "model":{"type":"WordLevel","vocab":{"a":0,"b":1,"</s>":2,"<pad>":3},"unk_token":"a"}}
        """;

    [Fact]
    public void Bytes_needs_no_file()
    {
        Assert.IsType<ByteTokenizer>(TokenizerLoader.Load("bytes", out var source));
        Assert.Equal("bytes", source);
    }

    [Theory]
    [InlineData("tokenizer.json", "{\n\"model\": oops", "tokenizer.json, line 2, byte 10: not valid JSON")]
    [InlineData("tokenizer.json", "{}", "tokenizer.json: model: the model is missing")]
    [InlineData("tokenizer.json", """{"model":{"type":"Magic"}}""", "tokenizer.json: model.type: 'Magic' is no known model; known are BPE")]
    [InlineData("tokenizer.json", """{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b","ab"]}}""",
        "tokenizer.json: model.merges[1]: expected two tokens with one space between them, found 'ab'")]
    [InlineData("tokenizer.json", """{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}}""", "model.merges[0]: the merge of 'a' and 'b' names 'ab'")]
    [InlineData("tokenizer.json", """{"model":{"type":"WordLevel","vocab":{"a":-1}}}""", "model.vocab[\"a\"]: expected a token id from 0 to 65537, found -1")]
    [InlineData("tokenizer.json", """{"model":{"type":"WordLevel","vocab":{"a":0}}}""", "no end-of-sequence token is known; name it as \"eos_token\"")]
    [InlineData("tokenizer.json", """{"decoder":{"type":"X"},"model":{"type":"WordLevel","vocab":{"a":0}}}""", "decoder.type: 'X' is no known decoder")]
    [InlineData("vocab.json", "{}", "a vocabulary without merges: merges.txt or vocab.bpe is missing")]
    [InlineData("notes.txt", "", "the name does not tell what kind of tokenizer it is")]
    public void A_file_that_is_wrong_is_named_with_its_fault(string name, string content, string message)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(name, content);
        Assert.Contains(message, Assert.Throws<BadInputException>(() => TokenizerLoader.Load(path)).Message);
    }

    [Fact]
    public void A_broken_line_of_merges_is_named()
    {
        using var folder = new TemporaryFolder();
        folder.Write("vocab.json", """{"a":0,"b":1,"ab":2}""");
        var merges = folder.Write("merges.txt", "#version: 0.2\na b\nbroken\n");
        Assert.StartsWith($"{merges}, line 3: expected two tokens", Assert.Throws<BadInputException>(() => TokenizerLoader.Load(folder.Path)).Message);
    }

    [Fact]
    public void A_path_that_is_missing_is_named()
    {
        Assert.StartsWith("tokenizer 'no/such/place': no such file or folder", Assert.Throws<BadInputException>(() => TokenizerLoader.Load("no/such/place")).Message);
        using var folder = new TemporaryFolder();
        Assert.Contains("no tokenizer here", Assert.Throws<BadInputException>(() => TokenizerLoader.Load(folder.Path)).Message);
    }

    [Theory]
    [InlineData("""{"eos_token":"b"}""", null, null, 1, 3)]
    [InlineData("""{"eos_token":{"content":"b"},"pad_token":"a"}""", null, null, 1, 0)]
    [InlineData("""{"eos_token":"b","pad_token":"b"}""", null, null, 1, 3)]
    [InlineData(null, """{"eos_token":"a","pad_token":"b"}""", null, 0, 1)]
    [InlineData(null, null, """{"eos_token_id":[1,0]}""", 1, 3)]
    [InlineData(null, null, """{"eos_token_id":77}""", 2, 3)]
    [InlineData(null, null, null, 2, 3)]
    public void Special_tokens_come_from_the_files_beside(string? config, string? map, string? model, int eos, int pad)
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer.json", WordLevel.Replace("ADDED", ""));
        foreach (var (name, content) in new[] { ("tokenizer_config.json", config), ("special_tokens_map.json", map), ("config.json", model) })
        {
            if (content is not null)
                folder.Write(name, content);
        }

        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal((null, eos, pad), (tokenizer.BosId, tokenizer.EosId, tokenizer.PadId));
    }

    [Fact]
    public void A_model_folder_without_tokenizer_is_given_its_parents()
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer.json", WordLevel.Replace("ADDED", ""));
        folder.Write("model/config.json", """{"eos_token_id":1}""");
        var tokenizer = TokenizerLoader.Load(System.IO.Path.Combine(folder.Path, "model"), out var source);
        Assert.Equal(System.IO.Path.Combine(folder.Path, "tokenizer.json"), source);
        Assert.Equal(1, tokenizer.EosId);
    }

    [Fact]
    public void Saving_keeps_the_files_and_adds_a_configuration()
    {
        using var folder = new TemporaryFolder();
        using var copy = new TemporaryFolder();
        var original = folder.Write("tokenizer.json", WordLevel.Replace("ADDED", """{"id":2,"content":"</s>","special":true}""") + "\n \n");
        folder.Write("chat_template.jinja", "{{ x }}");
        var tokenizer = TokenizerLoader.Load(folder.Path);
        tokenizer.Save(copy.Path);
        Assert.Equal(File.ReadAllBytes(original), File.ReadAllBytes(System.IO.Path.Combine(copy.Path, "tokenizer.json")));
        Assert.Equal("{{ x }}", File.ReadAllText(System.IO.Path.Combine(copy.Path, "chat_template.jinja")));
        Assert.Contains("\"eos_token\": \"</s>\"", File.ReadAllText(System.IO.Path.Combine(copy.Path, "tokenizer_config.json")));
        Assert.Equal("a b", TokenizerLoader.Load(copy.Path).Decode([0, 1, 2]));
    }

    [SharedFact("data/weights/verl_digit_completion/tokenizer_config.json")]
    public void The_digit_completion_characters_follow_four_fixed_tokens()
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/weights/verl_digit_completion"));
        Assert.Equal(16, tokenizer.VocabularySize);
        Assert.Equal((null, 1, 2), (tokenizer.BosId, tokenizer.EosId, tokenizer.PadId));
        Assert.Equal([5, 14, 6, 15, 10, 14, 9, 0], tokenizer.Encode("1,2:6,5S", addSpecialTokens: true));
        Assert.Equal("3,4", tokenizer.Decode([7, 14, 8, 1, 2]));
        using var copy = new TemporaryFolder();
        tokenizer.Save(copy.Path);
        Assert.Equal([5, 3, 1], TokenizerLoader.Load(copy.Path).Encode("1xE"));
    }

    [SharedTheory("data/tok")]
    [InlineData("gpt2/encoder.json")]
    [InlineData("llama2/tokenizer.model")]
    public void A_saved_copy_of_real_files_encodes_the_same(string file)
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/tok/" + file));
        using var copy = new TemporaryFolder();
        tokenizer.Save(copy.Path);
        var loaded = TokenizerLoader.Load(copy.Path);
        Assert.Equal(tokenizer.Encode("It's a té<|endoftext|>\n", true), loaded.Encode("It's a té<|endoftext|>\n", true));
        Assert.Equal((tokenizer.BosId, tokenizer.EosId, tokenizer.PadId), (loaded.BosId, loaded.EosId, loaded.PadId));
    }
}
