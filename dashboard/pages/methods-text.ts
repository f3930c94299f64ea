/** The methods page in both languages: paragraphs and small tables. Numbers are those of docs/methods.md and docs/qc.md. */
export interface Section {
  readonly title: string;
  readonly text: readonly string[];
  readonly table?: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
}

const zh: readonly Section[] = [
  {
    title: '量到的是什麼',
    text: [
      '社區感測盒用小風扇把空氣吸過一道雷射，數散射的光點，再換算成每立方公尺多少微克。它便宜、反應快，可以掛在每一盞路燈上；但它數的是光點，不是質量：空氣潮濕時微粒吸水變大，讀數就偏高；每一批感測器也不完全一樣。',
      '標準測站用秤重或貝他射線的方法，貴而少，每小時一筆。兩部標準儀器並排放著，小時值也會差幾微克。我們把兩者合起來用，並且說清楚有多確定。',
    ],
  },
  {
    title: '原始值永遠不動',
    text: [
      '盒子送來的每一筆都先寫進硬碟，才回覆「收到」。原始值之後不會被修改；檢查與校正只是在旁邊加上標記與另一個數字。任何公布的數值都查得到它來自哪一筆、經過哪些檢查、用了哪個模式。',
    ],
  },
  {
    title: '檢查',
    text: [
      '每筆讀數會問：數值可能嗎？是不是晶片的錯誤代碼？是不是長時間不動？突然跳一下，下一筆有沒有證實？兩個通道一致嗎？溫濕度晶片還活著嗎？和周圍的盒子合不合？每晚再看：它還跟著鄰居走嗎？是不是裝在室內？有沒有慢慢漂移？是不是一直差同一個倍數，像單位設錯？',
      '好幾個盒子一起升高，是事件，不是故障，不會被刪掉。同一個盒子的一氧化碳或噪音一起跳動，也算事件；上風的盒子先升高、隔了風吹過來的時間才輪到它，也是。單獨一個盒子持續偏高，可能就在污染源旁邊，我們註明，而不說它壞了。無法做的檢查就說「未檢查」，不說「良好」。',
      '在四個城市的真實資料裡混入 2 % 的假故障來測試：找到 85 %，標錯的好讀數是 0.26 %。把盒子改成 10 倍或 1/10 的單位，六十小時裡 98 % 和 93 % 的讀數會被擋下。孤單的盒子、被換掉位置的盒子、只高 1.5 倍的錯誤，仍然常常看不出來。',
    ],
  },
  {
    title: '校正',
    text: [
      '能用就用最好的一級：（1）盒子自己曾在標準測站旁比對過；（2）附近測站這一小時的網絡校正；（3）同型感測器的共同模式，相距數百公里的地區各有自己的一份；（4）文獻公式（Barkjohn 等 2021）。每晚重新擬合，而且有防護欄：不合理的結果寧可不給。每個模式都有編號和說明卡，不會再改。',
      '新擬合的模式不會馬上上場：它先在幕後跟現用的模式並排算一天，在沒看過的測站上不比舊的差，才接手；接手後若差了兩成，舊的自動回來。營運者也可以把先前的模式放回去，什麼時候、為什麼，都留有紀錄（/api/v1/models）。',
      '沒有測站的盒子若相對鄰居慢慢漂移，夜裡與整天的比較都這麼說，就把確定的那一部分扣掉，區間加寬，並註明「漂移」。整個城鎮的盒子一起漂移，鄰居之間看不出來，要靠測站和測站旁的盒子才看得到，同樣扣掉。搬了家的盒子，頭一天會註明「剛移動」。',
      '不能校正時，校正值是空白，並寫明原因；空白不是零。',
    ],
    table: {
      head: ['在沒看過的資料上的誤差（RMSE，µg/m³）', '原始', '文獻公式', '我們'],
      rows: [
        ['丹佛，每小時', '6.32', '6.09', '1.81'],
        ['丹佛，測站完全不參與', '6.32', '6.09', '3.32'],
        ['維吉尼亞野火煙霾（測站時鐘差 5 小時）', '14.83', '3.30', '1.07'],
        ['美國東南部，每日，盒子自己沒有比對過', '7.27', '2.77', '2.37'],
        ['臺灣 2020-05-23/24，測站不參與', '11.4 / 12.6', '4.7 / 5.3', '3.70 / 3.56'],
      ],
    },
  },
  {
    title: '有多確定',
    text: [
      '每個校正值都帶著 90 % 區間：十次裡應有九次，旁邊的標準測站會落在區間裡。實測的比例：丹佛 91 %（測站不參與 90 %），維吉尼亞 90 %，美國東南部 90–94 %，臺灣兩個時刻 87 % 與 92 %。旁邊有測站的盒子，最差的是 85 %；旁邊沒有測站的，最差的是 82 %，表示單一地點仍可能比我們說的更不準。真實資料裡沒有一個盒子校正後比原始值更差；在我們特意編造來考倒自己的情境裡，一百個大約有五個，多半是同一個網絡橫跨兩種截然不同的氣候。',
      '離測站越遠、濕度越高、資料越少，區間就越寬。八小時、一天的平均比單一小時確定一些，但只是一些：盒子自己的偏差，平均再久也不會消失。',
    ],
  },
  {
    title: '標準測站也會出錯',
    text: [
      '測站會停滯、會送出錯誤代碼、時鐘會差幾個小時、也會整批偏高。我們先檢查測站再學習：與其他測站不符的不採用，時鐘不對的先修正，並且公開說出是哪一座。在維吉尼亞的資料裡，測站時鐘差了 5 小時；光是找出這件事，誤差就從 5.3 降到 1.9。',
      '只有兩座測站而互相矛盾時，沒有人知道誰對。',
    ],
  },
  {
    title: '其他測項',
    text: [
      '氣溫和濕度：盒子在太陽下會發燙。15 公里內有測站時，我們學出這個盒子平常差多少、日曬時多差多少，再扣掉；濕度按「空氣裡的水氣不變」換算。盒子的海拔我們並不知道：山上的盒子校正後說的是附近測站那個高度的氣溫。二氧化碳：戶外空氣兩週內總會降到全球背景值，差太多就把零點移回來；感測器自己會校零的，不重複校。',
      '噪音、水位、雨量等只檢查、不校正：噪音要帶校正器到現場，水位要對基準。沒有可靠的方法，就不假裝有。淹水的門檻是 10 公分和 30 公分；可疑的突升也會通報，註明「未證實」。',
    ],
  },
  {
    title: '即時值、修訂值、存檔值',
    text: [
      '即時值當下就公布，不等後面的讀數。一小時後重算一次（修訂值）：突然跳一下的，這時看得出是真是假。隔天夜裡、以及三十天後再各算一次（存檔值）：遲到的資料也算進去。',
      '每個值都寫明是哪一種、第幾次修訂。每次重算動了多少個值、動多少、哪個盒子、哪一天，都公開在 /api/v1/revisions。原始值從來不變；同樣的資料重算，得到一模一樣的位元組。',
    ],
  },
  {
    title: '不是什麼',
    text: [
      '這不是官方的空氣品質指標。地圖顏色借用指標的分級，但分鐘值不等於指標；指標有規定的平均時間。',
      '沒有測站的地方，推估面會留白。兩種不同氣候共用一個模式時，校正會比這裡寫的差。',
    ],
  },
  {
    title: '怎麼查我們',
    text: [
      '所有資料可以自由下載，程式碼公開。用下面的指令，可以拿任何人的紀錄重算我們的校正；同樣的檔案會得到一模一樣的結果。單一個值怎麼來的，問 /api/v1/boxes/{編號}/provenance：原始讀數、每項檢查、模式、用了哪些測站和誰的濕度，一次說清楚。覺得某個值不對？在那個盒子的頁面按「這個數值怪怪的」。',
    ],
  },
];

const en: readonly Section[] = [
  {
    title: 'What is measured',
    text: [
      'A community box draws air past a laser with a small fan, counts flashes of light, and converts them to micrograms per cubic metre. It is cheap and quick, and can hang on every lamp post; but it counts light, not mass: in damp air particles take up water and grow, so it reads too high, and no two batches of sensors are quite alike.',
      'Reference stations weigh particles, or see how they dim beta rays. They are dear and few, and report once an hour. Even two of them side by side differ by a few micrograms. We use both together, and say how sure we are.',
    ],
  },
  {
    title: 'Raw values never change',
    text: [
      'Every reading is on disk before the box is told “received”. The raw value is not touched afterwards: checks and correction only put marks and a second number beside it. Every published value can say which reading, which tests and which model made it.',
    ],
  },
  {
    title: 'Checked',
    text: [
      'Each reading is asked: can this be? Is it an error code of the chip? Has it not moved for hours? Did it jump, and did the next one confirm it? Do two channels agree? Is the humidity chip alive? Does it fit the boxes around? And every night: does it still follow its neighbours, does it hang indoors, does it drift, does it always read the same multiple of them as if its unit were wrong?',
      'Several boxes that rise together are an event, not a fault, and are kept; so is a rise that carbon monoxide or noise in the same box share, or one that comes as late after a box upwind as the wind takes. One box that stays high alone may hang beside a source: we note that, and do not call it broken. A test that cannot run says “not evaluated”, never “good”.',
      'With 2 % of false faults mixed into real data of four cities, 85 % were found and 0.26 % of good readings were flagged. Boxes set to ten times or a tenth of the unit had 98 % and 93 % of their readings stopped within sixty hours. Lone boxes, boxes swapped with each other, and errors of only 1.5 times often stay unseen.',
    ],
  },
  {
    title: 'Corrected',
    text: [
      'The best level that is valid is used: (1) the box’s own time beside a reference station; (2) the network of stations nearby, this hour; (3) the common model of its kind of sensor, with a part of its own for regions some hundred kilometres apart; (4) a published equation (Barkjohn et al. 2021). Models are fitted anew every night, and guard rails refuse what is not credible. Every model has a number and a card, and never changes.',
      'A new fit does not answer at once: for a day it runs behind the scenes beside the one in force, and takes over only when it did no worse at stations it had not seen; when it then turns out a fifth worse, the one before comes back by itself. Operators may put an earlier model back; when and why is on record (/api/v1/models).',
      'A box without a station that drifts away from its neighbours, by its nights and by its whole days alike, has what is sure of it taken off, a wider interval, and the remark “drift”. When all boxes of a town drift together their neighbours do not show it; stations and the boxes beside them do, and it is taken off as well. A box that was moved says so for a day.',
      'Where nothing may be used the corrected value is empty, with the reason. Empty is not zero.',
    ],
    table: {
      head: ['Error on data not seen before (RMSE, µg/m³)', 'raw', 'published equation', 'ours'],
      rows: [
        ['Denver, hourly', '6.32', '6.09', '1.81'],
        ['Denver, the station left out', '6.32', '6.09', '3.32'],
        ['Virginia, wildfire smoke (station clock 5 h off)', '14.83', '3.30', '1.07'],
        ['South-east USA, daily, boxes never compared', '7.27', '2.77', '2.37'],
        ['Taiwan 2020-05-23/24, the station left out', '11.4 / 12.6', '4.7 / 5.3', '3.70 / 3.56'],
      ],
    },
  },
  {
    title: 'How sure',
    text: [
      'Every corrected value carries a 90 % interval: nine times in ten a station beside the box should lie in it. Measured: Denver 91 % (the station left out 90 %), Virginia 90 %, south-east USA 90–94 %, Taiwan at its two moments 87 and 92 %. For the worst box beside a station it was 85 %, for the worst without one 82 %: a single place may be less certain than we say. In no real recording was a box worse corrected than raw; in places made up to break us, some five in a hundred were, most of them where one network spans two very unlike climates.',
      'The farther the stations, the damper the air, the fewer the data, the wider the interval. A mean of eight hours or a day is somewhat surer than one hour, and no more than somewhat: what a box itself is off by does not average out.',
    ],
  },
  {
    title: 'Reference stations err too',
    text: [
      'They stand still, send error codes, run on a wrong clock, or read too high for weeks. We check them before we learn from them: one that does not fit the others is left out, a wrong clock is put right first, and we say openly which station it is. In the Virginian data the station’s clock was five hours off; finding that alone took the error from 5.3 to 1.9.',
      'Where there are only two stations and they contradict each other, nobody knows which is right.',
    ],
  },
  {
    title: 'Other quantities',
    text: [
      'Temperature and humidity: a box heats up in the sun. Where stations stand within 15 km we learn by how much this box is usually off and how much more in the sun, and take that away; humidity is worked out so that the water in the air stays the same. How high above the sea a box hangs is not known to us: one on a hill is read at the level of its stations. Carbon dioxide: outdoor air comes down to the background of the globe within two weeks; a zero that is far off is moved back, and a sensor that looks after its own zero is left alone.',
      'Noise, water level, rain and the rest are checked, not corrected: noise needs a visit with a calibrator, water a levelled datum. Where there is no sound way we do not pretend. Floods count from 10 cm and from 30 cm; a doubtful jump is told as well, as “unconfirmed”.',
    ],
  },
  {
    title: 'Live, revised, archive',
    text: [
      'The live value is published at once and waits for nothing. An hour later it is worked out again (revised): by then one can tell whether a lone jump was real. The night after, and once more thirty days later, whole days are run again with what came in late (archive).',
      'Every value says which it is and of which revision. How many values a run moved, by how much, of which box and on which day is public at /api/v1/revisions. Raw values never change; the same data run again give the same bytes.',
    ],
  },
  {
    title: 'What it is not',
    text: [
      'It is not an official air quality index. The map borrows the index’s classes for its colours, but a value of a minute is no index: an index has averaging times by rule.',
      'Where there is no station the estimated field stays blank. Where two climates share one model, it does worse than written here.',
    ],
  },
  {
    title: 'Check us',
    text: [
      'All data may be downloaded freely, the code is open. The command below runs our correction over anybody’s recording; the same files give the same bytes. How a single value came about, ask /api/v1/boxes/{id}/provenance: the raw reading, every check, the model, which stations and whose humidity. A value looks wrong? Say so on that box’s page.',
    ],
  },
];

export const METHODS: Readonly<Record<'zh-TW' | 'en', readonly Section[]>> = { 'zh-TW': zh, en };

export const BACKTEST_COMMAND =
  'npx lamppost backtest --boxes boxes.csv --readings readings.csv --stations stations.csv --reference reference.csv --out corrected.csv';
