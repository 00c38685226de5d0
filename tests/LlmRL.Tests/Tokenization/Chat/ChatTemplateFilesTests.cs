using LlmRL.Tokenization;
using LlmRL.Tokenization.Chat;

namespace LlmRL.Tests.Tokenization.Chat;

public class ChatTemplateFilesTests
{
    private const string Vocabulary = """
        {"added_tokens":[{"id":2,"content":"</s>","special":true}],"model":{"type":"WordLevel","vocab":{"a":0,"b":1,"</s>":2,"<pad>":3},"unk_token":"a"}}
        """;

    private static readonly ChatMessage[] Hi = [new("user", "hi")];
    private static readonly Dictionary<string, object?> Tools = new() { ["tools"] = new[] { "t" } };

    [Theory]
    [InlineData("""{"chat_template":"{{ messages[0].content }}{{ eos_token }}"}""", null, "hi</s>")]
    [InlineData("""{"chat_template":"no","eos_token":{"content":"b"}}""", "{{ eos_token }}[{{ bos_token }}]", "b[]")]
    [InlineData("""{"chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]}""", null, "d")]
    [InlineData("""{"eos_token":"</s>"}""", null, null)]
    [InlineData(null, "alone", "alone")]
    public void The_template_comes_with_the_folder_and_is_saved_with_it(string? config, string? jinja, string? expected)
    {
        using var folder = new TemporaryFolder();
        using var copy = new TemporaryFolder();
        folder.Write("tokenizer.json", Vocabulary);
        if (config is not null)
            folder.Write("tokenizer_config.json", config);
        if (jinja is not null)
            folder.Write("chat_template.jinja", jinja);
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal(expected, tokenizer.ChatTemplate?.Render(Hi, false));
        tokenizer.Save(copy.Path);
        Assert.Equal(expected, TokenizerLoader.Load(copy.Path).ChatTemplate?.Render(Hi, false));
        if (expected == "d")
            Assert.Equal("t", tokenizer.ChatTemplate!.Render(Hi, false, Tools));
    }

    [Fact]
    public void A_template_that_cannot_be_read_is_an_error_only_when_it_is_needed()
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer.json", Vocabulary);
        var config = folder.Write("tokenizer_config.json", """{"chat_template":"{% if %}"}""");
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal([0], tokenizer.Encode("a"));
        Assert.StartsWith($"{config}: chat template, line 1: ", Assert.Throws<BadInputException>(() => tokenizer.ChatTemplate).Message);
        folder.Write("tokenizer_config.json", """{"chat_template":[{"name":"rag","template":"x"}]}""");
        Assert.Contains("no template is named \"default\"; found rag", Assert.Throws<BadInputException>(() => TokenizerLoader.Load(folder.Path).ChatTemplate).Message);
        Assert.Contains("put a chat_template.jinja beside it", Assert.Throws<BadInputException>(() => Prompting.ChatTemplateOf(new ByteTokenizer())).Message);
    }

    [Fact]
    public void Bytes_keep_a_template_that_was_put_beside_them()
    {
        using var folder = new TemporaryFolder();
        using var copy = new TemporaryFolder();
        new ByteTokenizer().Save(folder.Path);
        folder.Write("chat_template.jinja", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
        TokenizerLoader.Load(folder.Path).Save(copy.Path);
        var tokenizer = Assert.IsType<ByteTokenizer>(TokenizerLoader.Load(copy.Path));
        Assert.Equal([256, 'h', 'i', 257], Prompting.EncodeRendered(tokenizer, tokenizer.ChatTemplate!.Render(Hi, false)));
    }

    [SharedFact("data/tok/llama2")]
    public void Sentence_piece_finds_the_control_tokens_that_a_template_writes()
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/tok/llama2"));
        var between = tokenizer.Encode("[INST] hi [/INST]");
        Assert.Equal([1, .. between, 2], Prompting.EncodeRendered(tokenizer, "<s>[INST] hi [/INST]</s>"));
    }
}
