using System.Text.Json.Nodes;
using LlmRL.Data;
using LlmRL.Recipes;
using LlmRL.Tokenization;
using LlmRL.Tokenization.Chat;

namespace LlmRL.Tests.Data;

/// <summary>TRL's kinds of data, recognised from the columns.</summary>
public sealed class DataFormatTests : IDisposable
{
    private const string Hi = """{"role":"user","content":"hi"}""", Yes = """{"role":"assistant","content":"yes"}""", No = """{"role":"assistant","content":"no"}""";

    private readonly string folder = Directory.CreateTempSubdirectory("llmrl-formats-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("""{"text":"a b"}""", "language modelling", "|a b||")]
    [InlineData("""{"prompt":"a"}""", "prompts", "a|||")]
    [InlineData("""{"prompt":"a","ground_truth":"4"}""", "prompts, with answers", "a|||")]
    [InlineData("""{"prompt":"a","completion":" b"}""", "prompts with completions", "a| b||")]
    [InlineData("""{"prompt":"a","chosen":" b","rejected":" c"}""", "preference pairs", "a|| b| c")]
    [InlineData("""{"chosen":"a b","rejected":"a c"}""", "preference pairs, implicit prompt", "a|| b| c")]
    [InlineData("""{"prompt":"a","completion":" b","label":false}""", "unpaired preferences", "a| b||")]
    [InlineData("""{"prompt":"a","label":"b"}""", "prompts with completions", "a|b||")]
    [InlineData("""{"instruction":"add","input":"1 2","output":"3"}""", "prompts with completions", "add\n1 2|3||")]
    [InlineData("""{"ID":"1","Body":"One and two.","Question":"How many?","Answer":3}""", "prompts with completions", "One and two. How many?|3||")]
    [InlineData("""{"Question":"One and two. How many?","Answer":3,"Body":"One and two.","Ques":"How many?"}""", "prompts with completions", "One and two. How many?|3||")]
    [InlineData("""{"article":"long","highlights":"short"}""", "prompts with completions", "long|short||")]
    [InlineData("""{"instruction":"sing","input":"","output":"la"}""", "prompts with completions", "sing|la||")]
    public void Columns_of_text_tell_the_kind(string row, string kind, string texts)
    {
        var example = Read(row, out var format);
        Assert.Equal(kind, format.ToString());
        Assert.Equal(texts, Texts(example));
        Assert.Null(example.Conversation);
    }

    [Theory]
    [InlineData($$"""{"messages":[{{Hi}},{{Yes}}]}""", "language modelling, conversational", "|user: hi\nassistant: yes||")]
    [InlineData($$"""{"prompt":[{{Hi}}]}""", "prompts, conversational", "user: hi\nassistant:|||")]
    [InlineData($$"""{"prompt":[{{Hi}}],"completion":[{{Yes}}]}""", "prompts with completions, conversational", "user: hi\nassistant:| yes||")]
    [InlineData($$"""{"prompt":[{{Hi}}],"completion":"yes"}""", "prompts with completions, conversational", "user: hi\nassistant:| yes||")]
    [InlineData($$"""{"prompt":[{{Hi}}],"chosen":[{{Yes}}],"rejected":[{{No}}]}""", "preference pairs, conversational", "user: hi\nassistant:|| yes| no")]
    [InlineData($$"""{"chosen":[{{Hi}},{{Yes}}],"rejected":[{{Hi}},{{No}}]}""", "preference pairs, implicit prompt, conversational", "user: hi\nassistant:|| yes| no")]
    [InlineData($$"""{"prompt":"hi","chosen":[{{Hi}},{{Yes}}],"rejected":[{{Hi}},{{No}}]}""", "preference pairs, conversational", "user: hi\nassistant:|| yes| no")]
    [InlineData($$"""{"prompt":[{{Hi}}],"chosen":[{{Hi}},{{Yes}}],"rejected":[{{Hi}},{{No}}]}""", "preference pairs, conversational", "user: hi\nassistant:|| yes| no")]
    [InlineData($$"""{"prompt":[{{Hi}}],"completion":[{{Yes}}],"label":true}""", "unpaired preferences, conversational", "user: hi\nassistant:| yes||")]
    [InlineData($$"""{"prompt":"the start","messages":[{{Hi}},{{Yes}}]}""", "language modelling, conversational", "|user: hi\nassistant: yes||")]
    [InlineData("""{"conversations":[{"from":"human","value":"hi"}],"chosen":{"from":"gpt","value":"yes"},"rejected":{"from":"gpt","value":"no"}}""",
        "preference pairs, conversational", "user: hi\nassistant:|| yes| no")]
    [InlineData("""{"system":"be brief","conversations":[{"from":"human","value":"hi"},{"from":"gpt","value":"yes"}]}""", "language modelling, conversational",
        "|system: be brief\nuser: hi\nassistant: yes||")]
    [InlineData("""{"prompt":[{"role":"user","content":[{"type":"text","text":"h"},{"type":"text","text":"i"}]},{"role":"assistant","content":" well "}]}""",
        "prompts, conversational", "user: hi\nassistant:  well|||")]
    public void Messages_tell_the_kind_and_are_written_plainly_without_a_template(string row, string kind, string texts)
    {
        var example = Read(row, out var format);
        Assert.Equal(kind, format.ToString());
        Assert.Equal(texts, Texts(example));
        Assert.False(example.HasSpecialTokens);
    }

    [Theory]
    [InlineData("""{"prompt":"a","chosen":"b"}""", "beside 'chosen' there is no rejected; there are prompt, chosen")]
    [InlineData("""{"a":1,"b":2}""", "no column is known as a prompt; there are a, b. Data has text or messages; prompt; prompt and completion;")]
    [InlineData("""{"prompt":[{"role":"user","content":[{"type":"image"}]}]}""", "r.jsonl:1: column 'prompt': a message has a part that is no text")]
    [InlineData($$"""{"chosen":[{{Yes}}],"rejected":[{{No}}]}""", "r.jsonl:1: 'chosen' and 'rejected' do not begin with the same message")]
    public void What_is_missing_is_named(string row, string message) =>
        Assert.Contains(message, Assert.Throws<BadInputException>(() => Read(row, out _)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_label_is_true_or_false()
    {
        Assert.False(Open("""{"prompt":"a","completion":"b","good":0}""", new ColumnMap { Label = "good" })[0].Label);
        Assert.Null(Read("""{"prompt":"a","completion":"b","label":1}""", out _).Label);
        var error = Assert.Throws<BadInputException>(() => Open("{\"prompt\":\"a\",\"completion\":\"b\",\"label\":true}\n{\"prompt\":\"a\",\"completion\":\"b\",\"label\":2}")[1]);
        Assert.Contains("r.jsonl:2: column 'label' is '2', but a label is true or false", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_index_may_be_another_column()
    {
        const string Row = """{"info":{"post":"p\nq","title":"t"},"summaries":[{"text":"x"},{"text":"y"}],"choice":CHOICE}""";
        var columns = new ColumnMap { Prompt = "TITLE: {info.title}\nPOST: {info.post}\nTL;DR:", Chosen = "summaries[choice].text", Rejected = "summaries[1-choice].text", Shorten = "info.post" };
        var first = Open(Row.Replace("CHOICE", "0"), columns)[0];
        Assert.Equal("TITLE: t\nPOST: p\nq\nTL;DR:||x|y", Texts(first));
        Assert.Equal("p\nq", first.Prompt[first.Shortenable!.Value]);
        Assert.Equal("TITLE: t\nPOST: p\nq\nTL;DR:||y|x", Texts(Open(Row.Replace("CHOICE", "1"), columns)[0]));
        // 1 - 2 must not count from the end.
        Assert.Contains("no column 'summaries[choice].text'", Assert.Throws<BadInputException>(() => Open(Row.Replace("CHOICE", "2"), columns)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_writes_the_texts_and_its_end_of_turn_is_not_part_of_a_completion()
    {
        var form = new ChatForm(ChatMl, "<|im_end|>", HasSpecialTokens: true);
        var pair = ConversationText.Apply(Read($$"""{"chosen":[{{Hi}},{{Yes}}],"rejected":[{{Hi}},{{No}}]}""", out _), form);
        Assert.Equal("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n||yes|no", Texts(pair));
        Assert.True(pair.HasSpecialTokens);
        Assert.Equal("hi", pair.Prompt[pair.Shortenable!.Value]);
        var whole = ConversationText.Apply(Read($$"""{"messages":[{{Hi}},{{Yes}}]}""", out _), form);
        Assert.Equal("|<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyes||", Texts(whole));
        var begun = ConversationText.Apply(Read($$"""{"prompt":[{{Hi}},{{Yes}}]}""", out _), form);
        Assert.Equal("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyes|||", Texts(begun));
    }

    [Fact]
    public void Where_a_template_opens_an_answer_in_two_ways_the_prompt_ends_where_they_part()
    {
        var form = new ChatForm((messages, open) => ChatMl(messages, open) + (open ? "<think>\n" : ""), "<|im_end|>", HasSpecialTokens: true);
        var row = ConversationText.Apply(Read($$"""{"prompt":[{{Hi}}],"chosen":[{{Yes}}],"rejected":[{{No}}]}""", out _), form);
        Assert.Equal("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n||yes|no", Texts(row));
    }

    [DuckDbFact("data/weights/verl_digit_completion/train.parquet")]
    public void Verls_prompts_are_written_by_its_own_template()
    {
        var folder = Shared.Path("data/weights/verl_digit_completion");
        var tokenizer = TokenizerLoader.Load(folder);
        var notes = new List<string>();
        var rows = new DataSource { Path = Path.Combine(folder, "train.parquet") }.Open(tokenizer, notes.Add);
        Assert.Equal("8,3:9,4S", rows[0].Prompt);
        Assert.Equal([12, 14, 7, 15, 13, 14, 8, 0], Prompting.Encode(tokenizer, rows[0].Prompt, rows[0].HasSpecialTokens));
        Assert.Empty(notes);
        new DataSource { Path = Path.Combine(folder, "train.parquet") }.Open(TokenizerLoader.Load("bytes"), notes.Add);
        Assert.Contains("no chat template", Assert.Single(notes), StringComparison.Ordinal);
    }

    [SharedFact("data/prefs/dpo_en_demo.json")]
    public void Pairs_of_messages_are_encoded_as_qwens_template_writes_them()
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/tok/qwen2_5"));
        var rows = new DataSource { Path = Shared.Path("data/prefs/dpo_en_demo.json") }.Open(tokenizer);
        var talk = rows[1].Conversation!;
        // What the model sees is what the template writes of the whole conversation, up to the end of the turn.
        var whole = tokenizer.EncodeMarkup(tokenizer.ChatTemplate!.Render([.. talk.Prompt, .. talk.Chosen!], addGenerationPrompt: false));
        var (prompt, chosen) = Prompting.EncodePair(tokenizer, rows[1].Prompt, rows[1].Chosen!, rows[1].HasSpecialTokens);
        Assert.Equal(whole.AsSpan(0, Array.LastIndexOf(whole, tokenizer.EosId) + 1), [.. prompt, .. chosen]);
        Assert.Equal(tokenizer.EncodeMarkup(tokenizer.ChatTemplate.Render(talk.Prompt, addGenerationPrompt: true)), prompt);
        Assert.StartsWith("<|im_start|>system\nYou are a teacher.", rows[1].Prompt, StringComparison.Ordinal);
    }

    [SharedFact("data/tok/qwen2_5/tokenizer.json")]
    public void A_whole_conversation_starts_from_its_own_first_token()
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/tok/qwen2_5"));
        var row = ConversationText.Apply(Read($$"""{"messages":[{{Hi}},{{Yes}}]}""", out _), ChatForm.Of(tokenizer));
        var (first, rest) = Prompting.EncodePair(tokenizer, row.Prompt, row.Completion!, row.HasSpecialTokens);
        Assert.Equal("<|im_start|>", tokenizer.Decode(first, skipSpecialTokens: false));
        Assert.EndsWith("<|im_start|>assistant\nyes<|im_end|>", tokenizer.Decode(rest, skipSpecialTokens: false), StringComparison.Ordinal);
    }

    private static string ChatMl(IReadOnlyList<ChatMessage> messages, bool open) =>
        string.Concat(messages.Select(message => $"<|im_start|>{message.Role}\n{message.Content}<|im_end|>\n")) + (open ? "<|im_start|>assistant\n" : "");

    private static string Texts(Example row) => $"{row.Prompt}|{row.Completion}|{row.Chosen}|{row.Rejected}";

    private Example Read(string row, out DataFormat format)
    {
        Assert.NotNull(JsonNode.Parse(row));
        var rows = Open(row);
        format = rows.Format!;
        return rows[0];
    }

    private IExampleSource Open(string text, ColumnMap? columns = null)
    {
        var path = Path.Combine(folder, "r.jsonl");
        File.WriteAllText(path, text);
        var source = ExampleFiles.Open(path, columns);
        _ = source[0];
        return source;
    }
}
